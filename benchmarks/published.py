"""Every published recipe, one after another: `python benchmarks/published.py --group 1 --data DIR`.

What has a record in `benchmarks/results/` of today's recipe is passed over, so the same command goes on after a stop,
a training where it stood. Each record is written there when its run ends, and nothing is committed. The runs lie in
`logs/published/`. With `--set` (a trial) the records stay there too.
"""

import argparse
import sys
from pathlib import Path

from records import RESULTS
from replicate import add_options, replicate

from cifar10.core.config import USER_ERRORS, format_error

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
    parser.add_argument("--seeds", type=int, metavar="N", help="run each with seed 0 to N - 1, not as often as planned")
    parser.add_argument("--out", type=Path, default=Path("logs/published"), help="where the runs go (logs/published)")
    parser.add_argument("--records", type=Path, help="where the records go (benchmarks/results; with --set: OUT)")
    add_options(parser)
    options = parser.parse_args(arguments)
    seeds = {
        name: options.seeds or number for group in options.group or GROUPS for name, number in GROUPS[group].items()
    }
    records = options.records or (options.out if options.set else RESULTS)
    try:
        replicate(seeds, options, records=records.resolve(), any_commit=True)
    except USER_ERRORS as error:
        sys.exit(format_error(error))


if __name__ == "__main__":
    main()
