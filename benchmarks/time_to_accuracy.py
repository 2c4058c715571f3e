"""Accuracy and time beside airbench, same device and files: `python benchmarks/time_to_accuracy.py --prepared DIR`.

Each contender runs in a process of its own, once for each seed. On the clock: augmentation and every step, up to the
last epoch, whose model is judged. Off the clock and told apart: creating the network, compiling and warming up,
predicting with test-time augmentation. `process_seconds` is everything from the start of the process, imports and data
included, to the first seed's accuracy. Judged on the test images where their labels are known, else on validation.
On a processor `--set runtime.precision=float32` holds for the peers too.
"""

import argparse
import copy
import dataclasses
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from peers import PEERS, train_peer
from power import joules_of
from records import mean_and_deviation, write_benchmark

from cifar10.app.experiments.recipes import find_experiment, load_experiments, parse_settings, with_overrides
from cifar10.core.config import PARAMS, USER_ERRORS, format_error, read_params
from cifar10.core.files import atomic_write
from cifar10.data.dataset import UNKNOWN, ImageSet, PreparedData, load_prepared
from cifar10.engine.inference import PredictConfig, predict_logits
from cifar10.engine.runtime import RuntimeConfig
from cifar10.models.summary import summarize_model
from cifar10.training.loop import step, train_one_epoch, validate
from cifar10.training.trainer import TrainConfig, Trainer

RESULT = Path("benchmarks/results/time_to_accuracy.json")
CONTENDERS = ["fast", "airbench94", "winner", "airbench96"]
WARM_UP_STEPS = 3


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run every contender, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=CONTENDERS, help="experiments and peers to run")
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"), help="what `dvc repro prepare` writes")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="trainings of each, with seed 0 to N - 1 (5)")
    parser.add_argument("--epochs", type=float, help="instead of each recipe's own number")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of our recipes")
    parser.add_argument("--result", type=Path, default=RESULT, help=f"the JSON file ({RESULT})")
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)  # in the process of one contender
    options = parser.parse_args(arguments)
    try:
        if options.started:
            contend(options.names[0], options)
        else:
            compare(options)
    except USER_ERRORS as error:
        sys.exit(format_error(error))


def compare(options: argparse.Namespace) -> None:
    """Run the contenders one after another; the table grows as they end."""
    epochs = {"epochs": options.epochs} if options.epochs else {}
    figures: dict[str, Any] = {"name": "time_to_accuracy", "changed": {**parse_settings(options.set), **epochs}}
    figures["rows"] = {}
    for name in options.names:
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            passed = [f"--prepared={options.prepared}", f"--seeds={options.seeds}", f"--result={result}"]
            passed += [f"--epochs={options.epochs}"] if options.epochs else []
            passed += [f"--set={setting}" for setting in options.set]
            subprocess.run([sys.executable, __file__, name, *passed, f"--started={time.time()}"], check=True)
            figures["rows"][name] = json.loads(result.read_text())
        record = write_benchmark(options.result, figures)
        print(table(record), flush=True)


def contend(name: str, options: argparse.Namespace) -> None:
    """All seeds of one contender, and how long its first one took from the start of the process."""
    data = load_prepared(options.prepared)
    known = len(data.test) and (data.test.labels != UNKNOWN).all()
    judged = data.test if known else data.val
    params = with_overrides(read_params(PARAMS), parse_settings(options.set))
    runtime = RuntimeConfig.model_validate(params["runtime"])
    runs, process_seconds = [], math.nan
    for seed in range(options.seeds):
        if name in PEERS:
            run = train_peer(name, data.train, judged, seed, options.epochs, seed == 0, runtime)
        else:
            run = train_ours(name, data, judged, seed, options)
        print(f"{name}: seed {seed}: {run['accuracy']:.4f} in {run['train_seconds']:.2f} s", flush=True)
        process_seconds = process_seconds if runs else time.time() - options.started
        runs.append({"seed": seed, **run})
    row = {
        "train_images": len(data.train_rows),
        "judged_on": f"{len(judged):,} {'test' if known else 'validation'} images",
        "process_seconds": process_seconds,
        "runs": runs,
    }
    atomic_write(options.result, json.dumps(row))


def train_ours(name: str, data: PreparedData, judged: ImageSet, seed: int, options: argparse.Namespace) -> dict:
    """Train an entry of experiments.yaml and judge it with the views of its recipe; the figures of `train_peer`."""
    changes = {
        **parse_settings(options.set),
        "seed": seed,
        **({"epochs": int(options.epochs)} if options.epochs else {}),
    }
    params = with_overrides(read_params(PARAMS), {**find_experiment(name, load_experiments()).overrides, **changes})
    config = TrainConfig.model_validate({key: params[key] for key in TrainConfig.model_fields})
    trainer = Trainer(dataclasses.replace(data, val_rows=np.empty(0, dtype=np.int64)), config)
    _warm_up(trainer)
    _wait()
    started = time.perf_counter()
    with joules_of(trainer.runtime.device) as energy:
        while trainer.epoch < config.epochs:
            trainer.end_epoch(*train_one_epoch(trainer), *validate(trainer))
    train_seconds = time.perf_counter() - started
    predict = PredictConfig.model_validate(params["predict"])
    logits = predict_logits(trainer.model, judged.images, data.mean, data.std, predict, trainer.runtime)
    predict_seconds = time.perf_counter() - started - train_seconds
    sizes = [config.size_pixels(epoch) for epoch in range(config.epochs)]
    flops = {size: summarize_model(trainer.model, size).training_flops for size in set(sizes)}
    return {
        "accuracy": (logits.argmax(1).numpy() == judged.labels).mean().item(),
        "train_seconds": train_seconds,
        "predict_seconds": predict_seconds,
        "epochs": config.epochs,
        "train_flops": trainer.loader.images_per_epoch * sum(flops[size] for size in sizes),
        "train_joules": energy(),
    }


def _warm_up(trainer: Trainer) -> None:
    """Some steps, so that kernels are chosen and compiled, and back to the beginning."""
    beginning = copy.deepcopy(trainer.state())
    order = torch.Generator().manual_seed(0)
    trainer.ddp_model.train()
    for epoch in {0, trainer.config.early_epochs}:  # images of either size
        trainer.epoch = epoch
        for images, labels in itertools.islice(trainer.loader.epoch(order), WARM_UP_STEPS):
            step(trainer, images, labels, trainer.config.lr, 0)
    trainer.load_state(beginning)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def table(record: dict[str, Any]) -> str:
    """The figures as lines for people, with the ratio of every experiment to every peer."""
    lines = [
        record["device"],
        "",
        f"{'':<14}{'accuracy':>17}{'n':>4}{'epochs':>8}{'train s':>17}{'predict s':>11}{'process s':>11}"
        f"{'PFLOP':>8}{'kJ':>8}",
    ]
    for name, row in record["rows"].items():
        runs = row["runs"]
        seconds = mean_and_deviation([run["train_seconds"] for run in runs], digits=2)
        joules = [run["train_joules"] for run in runs if run.get("train_joules") is not None]
        lines.append(
            f"{name:<14}{mean_and_deviation([run['accuracy'] for run in runs]):>17}{len(runs):>4}"
            f"{runs[0]['epochs']:>8.4g}{seconds:>17}{mean(run['predict_seconds'] for run in runs):>11.2f}"
            f"{row['process_seconds']:>11.1f}{runs[0]['train_flops'] / 1e15:>8.3f}"
            f"{f'{mean(joules) / 1e3:.1f}' if joules else '':>8}"
        )
    means = {name: mean(run["train_seconds"] for run in row["runs"]) for name, row in record["rows"].items()}
    lines.append("")
    for name, peer in itertools.product(means, PEERS):
        if name not in PEERS and peer in means:
            lines.append(f"{name} takes {means[name] / means[peer]:.2f} times as long as {peer}")
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    main()
