"""Every published recipe, one after another: `python benchmarks/published.py --group 1 --data DIR`.

What has a record in `benchmarks/results/` of today's recipe is passed over, so the same command goes on after a stop,
a training where it stood. Each record is written there when its run ends, and nothing is committed. The runs lie in
`logs/published/`. With `--set` (a trial) the records stay there too.

A GPU is mostly idle with one small network. `--jobs 16` trains so many recipes at once, each in a process whose output
goes to `logs/published/NAME.log`; what such a training takes is told with their number.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from records import RESULTS
from replicate import add_options, params_of, prepare_once, replicate

from cifar10.core.config import USER_ERRORS, InputError, format_error
from cifar10.training.history import format_duration

# group -> recipe -> number of seeds; the shortest first, the study's best before its variants
GROUPS: dict[int, dict[str, int]] = {
    1: {
        "lenet": 3,
        "lenet_twice_as_long": 3,
        "cnn2_lr0.1": 3,
        "cnn2_lr0.1_batch100": 3,
        "cnn2": 3,
        "cnn2_batch100": 3,
        "cnn3": 3,
        "cnn3_best": 3,
        "dainet1": 1,
        "dainet1_dropout_last": 1,
    },
    2: {"mynet": 3, "resnet9_plain": 3, "resnet9": 3},
    3: {
        "resnet18_torchvision": 1,
        "resnet18": 1,
        "resnet18_improved_steps_lr0.01": 1,
        "resnet18_improved_lr0.01": 1,
        "resnet18_improved_lr0.1": 1,
        "resnet18_improved_lr0.001": 1,
        "resnet18_improved_steps_lr0.1": 1,
        "resnet18_improved_steps_lr0.001": 1,
    },
    4: {"dainet7": 1},
    5: {"dainet7_batch1024": 1, "resnet50": 1, "resnet18_torchvision_imagenet": 1},  # for a GPU
}


def main(arguments: list[str] | None = None) -> None:
    """Parse, run, and end with one line and exit code 1 where something cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", type=int, action="append", choices=GROUPS, help="which, several times too (all)")
    parser.add_argument("--recipe", action="append", metavar="NAME", help="instead of groups, several times too")
    parser.add_argument("--seeds", type=int, metavar="N", help="run each with seed 0 to N - 1, not as often as planned")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="recipes at once, for a GPU (1)")
    parser.add_argument("--out", type=Path, default=Path("logs/published"), help="where the runs go (logs/published)")
    parser.add_argument("--records", type=Path, help="where the records go (benchmarks/results; with --set: OUT)")
    add_options(parser)
    options = parser.parse_args(arguments)
    planned = {name: number for group in GROUPS.values() for name, number in group.items()}
    names = options.recipe or [name for group in options.group or GROUPS for name in GROUPS[group]]
    seeds = {name: options.seeds or planned.get(name, 1) for name in names}
    options.records = (options.records or (options.out if options.set else RESULTS)).resolve()
    try:
        if options.jobs > 1:
            side_by_side(seeds, options)
        else:
            replicate(seeds, options, records=options.records, any_commit=True)
    except USER_ERRORS as error:
        sys.exit(format_error(error))


def side_by_side(seeds: dict[str, int], options: argparse.Namespace) -> None:
    """Run every recipe in a process of its own, at most `options.jobs` at once; what fails does not stop the others.

    Raises:
        InputError: some have failed; names them.
    """
    out = options.out.resolve()
    for params in params_of(seeds, options).values():  # here, not in several processes at once
        prepare_once(out, params)
    passed = [f"--{key}={getattr(options, key)}" for key in ("data", "out", "records", "note", "commit")]
    passed += [f"--set={setting}" for setting in options.set]
    passed += [f"--at-once={min(options.jobs, len(seeds))}"]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}  # threads of many processes wait for each other
    waiting, failed, started = list(seeds), [], time.monotonic()
    running: dict[str, subprocess.Popen] = {}
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                name = waiting.pop(0)
                command = [sys.executable, __file__, f"--recipe={name}", f"--seeds={seeds[name]}", *passed]
                with (out / f"{name}.log").open("w") as log:
                    running[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            for name in [name for name, process in running.items() if process.poll() is not None]:
                how = "done"
                if running.pop(name).returncode:
                    failed.append(name)
                    how = f"failed, see {options.out / f'{name}.log'}"
                print(f"{name}: {how}, {format_duration(time.monotonic() - started)} from the start", flush=True)
            time.sleep(0.2)
    finally:  # Ctrl-C reaches them too, and each keeps its state first
        for process in running.values():
            process.wait()
    if failed:
        raise InputError(f"{len(failed)} of {len(seeds)} recipes failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
