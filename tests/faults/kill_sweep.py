"""Kill trainings and pipelines again and again, let them go on, and compare: `python tests/faults/kill_sweep.py`.

Pipelines are killed with all their processes or DVC alone, at random moments, and at every N-th write where `strace` is
installed; `cifar10 doctor --repair-only && dvc repro` must then end with the outs and the dvc.lock of a run left alone.
A pipeline is killed until it ends, so that kills meet what earlier kills left. Prints a table and writes it as JSON.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from killing import ROOT, Pipeline, trainings
from tqdm import tqdm

from cifar10.app.experiments.recipes import with_overrides
from cifar10.competition.layout import write_competition
from cifar10.competition.sample import LABELS, load_images
from cifar10.core.config import PARAMS, read_params
from cifar10.core.files import atomic_write
from cifar10.engine.provenance import machine
from cifar10.evaluation import origin
from cifar10.images.codec import encode_png
from cifar10.stages import prepare
from cifar10.training.trainer import TrainConfig

RESULT = ROOT / "benchmarks/results/kill_sweep.json"
NUM_TRAIN, NUM_TEST = 100, 20
REPRO = ("dvc", "repro")

# Batch norm, dropout, momentum, a schedule that looks back, augmentation, a state after every step: all that has one.
TRAINING = {
    "model.name": "dainet1", "epochs": 12, "batch_size": 20, "schedule.name": "plateau", "schedule.patience_epochs": 0,
    "lr": 0.05, "augment.cutout_size_pixels": 8, "augment.mixup_alpha": 0.2, "runtime.checkpoint_minutes": 1e-9,
}  # fmt: skip
PIPELINE = {"data.source": "local", "model.name": "lenet", "epochs": 2, "batch_size": 20}
PIPELINE |= {"runtime.checkpoint_minutes": 1e-9}

Row = dict[str, int]
KILLED = "killed"
Kill = Callable[[Pipeline, int], str]  # `dvc repro`, the n-th of a series: KILLED, nothing, or how it failed by itself


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, sweep, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=100, metavar="KILLS", help="of trainings (100)")
    parser.add_argument("--pipelines", type=int, default=100, metavar="KILLS", help="of pipelines, of each kind (100)")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="kinds of kills at a time (one for each core)")
    parser.add_argument("--result", type=Path, default=RESULT, help=f"the JSON file ({RESULT.relative_to(ROOT)})")
    options = parser.parse_args(arguments)
    rows: dict[str, Row] = {}
    head = {"name": "kill_sweep", "commit": origin.commit(), **machine()}

    def tell(kind: str, row: Row) -> None:
        rows[kind] = dict(row)
        atomic_write(options.result, json.dumps({**head, "rows": rows}, indent=2) + "\n")

    with tempfile.TemporaryDirectory() as name:
        sweep(Path(name), options, tell)
    print(table(rows))


def sweep(folder: Path, options: argparse.Namespace, tell: Callable[[str, Row], None]) -> None:
    """All kinds of kills, `options.jobs` at a time, each in a place of its own below the empty `folder`."""
    raw = folder / "raw"
    raw.mkdir()
    write_small_competition(raw)
    config = prepare_training(folder, raw)

    def moments(kind: str) -> random.Random:
        return random.Random(f"{options.seed} {kind}")

    def checkout(number: int) -> Pipeline:
        place = folder / f"pipeline{number}"
        place.mkdir()
        return Pipeline(place, {**PIPELINE, "data.path": str(raw)})

    undisturbed = checkout(0)
    started = time.monotonic()
    failure = finish(undisturbed.start(*REPRO))
    assert not failure, failure
    seconds, expected = time.monotonic() - started, undisturbed.result()
    kinds: dict[str, Kill] = {
        "pipelines, all processes, at random moments": at_random_moments(moments("all"), seconds, os.killpg),
        "pipelines, DVC alone, at random moments": at_random_moments(moments("alone"), seconds, os.kill),
    }
    if can_trace():
        kinds["pipelines, DVC at its every N-th write"] = at_every_write(follow=False)
        kinds["pipelines, any process at its every N-th write"] = at_every_write(follow=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        name = "trainings, at random moments"
        done = [pool.submit(kill_trainings, folder, config, options.trainings, moments(name), partial(tell, name))]
        for number, (name, kill) in enumerate(kinds.items(), 1):
            pipeline = checkout(number)
            done.append(
                pool.submit(kill_pipelines, pipeline, kill, options.pipelines, expected, name, partial(tell, name))
            )
    for kind in done:
        kind.result()  # raises what went wrong


def write_small_competition(raw: Path) -> None:
    """The first of the sample's digits."""
    images, digits = load_images()
    labels = [LABELS[digit] for digit in digits]
    train, test = range(NUM_TRAIN), range(NUM_TRAIN, NUM_TRAIN + NUM_TEST)
    write_competition(
        raw,
        train=((f"train/{i}.png", encode_png(images[k])) for i, k in enumerate(train, 1)),
        train_labels={i: labels[k] for i, k in enumerate(train, 1)},
        test=((f"test/{i}.png", encode_png(images[k])) for i, k in enumerate(test, 1)),
        test_ids=range(1, NUM_TEST + 1),
        test_labels={i: labels[k] for i, k in enumerate(test, 1)},
    )


def prepare_training(folder: Path, raw: Path) -> TrainConfig:
    """The images, prepared in `folder`, and the recipe."""
    params = with_overrides(read_params(ROOT / PARAMS), TRAINING)
    shutil.copy(ROOT / PARAMS, folder / PARAMS)
    with contextlib.chdir(folder):
        prepare.main(raw, folder / "prepared", folder / "data.json")
    return TrainConfig.model_validate({key: params[key] for key in TrainConfig.model_fields})


def kill_trainings(
    folder: Path, config: TrainConfig, kills: int, moments: random.Random, tell: Callable[[Row], None]
) -> None:
    """Kill trainings at moments spread over the time that an undisturbed one takes; tell the figures after each run."""
    row = Counter(kills=0, runs=0, identical=0, stuck=0)
    with trainings(folder / "prepared", config) as server, tqdm(total=kills, desc="trainings", disable=None) as bar:
        (folder / "undisturbed").mkdir()
        server.run(folder / "undisturbed")  # the first pays for what is imported late
        shutil.rmtree(folder / "undisturbed/key", ignore_errors=True)
        started = time.monotonic()
        expected = server.run(folder / "undisturbed")
        seconds = time.monotonic() - started
        while row["kills"] < kills:
            place = folder / f"training{row['runs']}"
            place.mkdir()
            while (result := server.run(place, moments.uniform(0, seconds))) is None:
                row["kills"] += 1
                bar.update()
            row["runs"] += 1
            row["identical"] += result == expected
            tell(row)


def kill_pipelines(
    pipeline: Pipeline, kill: Kill, kills: int, expected: dict[str, str], name: str, tell: Callable[[Row], None]
) -> None:
    """Kill `dvc repro`, repair, and again until it ends; then compare, tell the figures and start over."""
    row = Counter(kills=0, runs=0, identical=0, stuck=0)
    with tqdm(total=kills, desc=name, disable=None) as bar:
        while row["kills"] < kills:
            pipeline.reset()
            number = 1
            while (outcome := kill(pipeline, number)) == KILLED:
                row["kills"] += 1
                bar.update()
                pipeline.repair()
                number += 1
            row["runs"] += 1
            if outcome:
                row["stuck"] += 1
                print(f"stuck: {outcome}", flush=True)
            elif pipeline.result() == expected:
                row["identical"] += 1
            else:
                print(f"not identical: {pipeline.result()}", flush=True)
            tell(row)


def at_random_moments(moments: random.Random, seconds: float, kill: Callable[[int, int], None]) -> Kill:
    """Kill a process, or its group, at moments spread over the time that an undisturbed run takes."""

    def start_and_kill(pipeline: Pipeline, number: int) -> str:
        process = pipeline.start(*REPRO)
        try:
            process.wait(moments.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            kill(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()  # not read: a stage that is left may still hold it
            return KILLED
        return finish(process)

    return start_and_kill


def at_every_write(follow: bool) -> Kill:
    """Kill DVC, or each of its processes too, at its first write, at the second in the next run, and so on."""

    def start_and_kill(pipeline: Pipeline, number: int) -> str:
        log = pipeline.folder / ".git/strace"
        which = ["-f"] if follow else []
        inject = f"inject=write:signal=SIGKILL:when={number}"
        outcome = finish(pipeline.start("strace", *which, "-o", str(log), "-e", "trace=write", "-e", inject, *REPRO))
        return KILLED if "killed by SIGKILL" in log.read_text(errors="replace") else outcome

    return start_and_kill


def can_trace() -> bool:
    """Whether strace is installed and may do its work, which containers often forbid."""
    return bool(shutil.which("strace")) and not subprocess.run(["strace", "true"], capture_output=True).returncode


def finish(process: subprocess.Popen[str]) -> str:
    """What a process that ends by itself has to say, if it fails."""
    output = process.communicate()[0]
    return f"exit code {process.returncode}: {output}" if process.returncode else ""


def table(rows: dict[str, Row]) -> str:
    """The figures as lines for people."""
    lines = [f"{'':<50}{'kills':>8}{'runs':>8}{'identical':>11}{'stuck':>8}"]
    lines += [
        f"{name:<50}{row['kills']:>8}{row['runs']:>8}{row['identical']:>11}{row['stuck']:>8}"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
