"""Run experiments of experiments.yaml without DVC: `python benchmarks/replicate.py NAME... --data DIR --out DIR`.

Calls the stages' own functions, in a folder of its own for each run, so it gives what `dvc repro` gives with the same
parameters. Writes `result.json`, `history.csv` and `submission.csv.gz` for each experiment, and `table.md`. A run that
an earlier call finished (same recipe, seed and code) is not repeated; one that was stopped goes on where it stood.
"""

import argparse
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from records import Record, measured_machine, read_history, read_records, write_record
from ruamel.yaml import YAML
from table import table

from cifar10.app.experiments.recipes import (
    EXPERIMENTS,
    find_experiment,
    load_experiments,
    parse_settings,
    with_overrides,
)
from cifar10.core.config import PARAMS, USER_ERRORS, format_error, read_params
from cifar10.core.files import atomic_write
from cifar10.data.dataset import load_prepared
from cifar10.engine.provenance import PIPELINE
from cifar10.evaluation import inputs, origin
from cifar10.stages import download, evaluate, predict, prepare, train

PARTS = ("validation", "test")
FIGURES = ("accuracy", "macro_f1", "member_accuracy", "gain")  # the last two are an ensemble's


def main(arguments: list[str] | None = None) -> None:
    """Parse, run, and end with one line and exit code 1 where something cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"an entry of {EXPERIMENTS}")
    parser.add_argument("--out", type=Path, required=True, help="where the runs and their records go")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="run with seed 0 to N - 1 (default 1)")
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        seeds = {str(name): int(options.seeds) for name in options.names}
        replicate(seeds, options, records=options.out.resolve())
    except USER_ERRORS as error:
        sys.exit(format_error(error))


def add_options(parser: argparse.ArgumentParser) -> None:
    """What every command takes that runs experiments."""
    parser.add_argument("--data", type=Path, required=True, help="the images: what `data.source: local` takes")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    parser.add_argument("--note", default="", help="what a reader must know to judge the figures")
    parser.add_argument("--commit", default=origin.commit(), help="for a copy of the code without git")
    parser.add_argument("--at-once", type=int, default=1, help=argparse.SUPPRESS)  # of how many trainings side by side


def replicate(seeds: dict[str, int], options: argparse.Namespace, records: Path, any_commit: bool = False) -> None:
    """Run every experiment with every seed, writing each record as soon as a run ends.

    Args:
        seeds: name of an experiment -> number of its runs.
        options: those of `add_options`, and `out`, where the runs go.
        records: the folder of the records.
        any_commit: whether a run counts as done too that another commit's code did.
    """
    experiments, out = load_experiments(), options.out.resolve()
    for name, params in params_of(seeds, options).items():
        head = {"experiment": name, "overrides": experiments[name].overrides, "changed": parse_settings(options.set)}
        for seed in range(seeds[name]):
            record = read_records(records).get(name, {})
            same_code = any_commit or record.get("commit") == options.commit
            runs = record["runs"] if same_code and all(record.get(key) == head[key] for key in head) else []
            if seed in [run["seed"] for run in runs]:
                print(f"{name}: seed {seed} is there already", flush=True)
                continue
            print(f"{name}: seed {seed}", flush=True)
            folder = out / "runs" / name / str(seed)
            run, images = _run(folder, {**params, "seed": seed}, prepare_once(out, params))
            history = inputs.read_history(folder / "reports/train/history.csv")
            history.insert(0, "seed", seed)
            before = read_history(records, name) if runs else None
            submission = (folder / "submission.csv").read_bytes() if seed == 0 else None
            beside = {"at_once": options.at_once} if options.at_once > 1 else {}
            tail = {"note": options.note, **beside, "commit": options.commit, **measured_machine()}
            record = {**head, "images": images, "runs": [*runs, run], **tail}
            write_record(records, record, pd.concat([before, history]), submission)
            atomic_write(out / "table.md", table(experiments, read_records(records), scores={}))
    print(f"{out / 'table.md'}")


def params_of(names: Iterable[str], options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Name of an experiment -> all parameters of its run, with the images of `options.data`."""
    experiments, defaults, changed = load_experiments(), read_params(PARAMS), parse_settings(options.set)
    local = {"data.source": "local", "data.path": str(options.data.resolve())}
    recipes = {name: find_experiment(name, experiments).overrides for name in names}
    return {name: with_overrides(defaults, {**overrides, **changed, **local}) for name, overrides in recipes.items()}


def prepare_once(out: Path, params: dict[str, Any]) -> Path:
    """The folder below `out` with the images as these parameters split them; made by the first call.

    In it, `prepared/` is what the stage `prepare` writes, `data.json` its data card, `raw/` the competition's files.
    """
    split = json.dumps([params["data"], params.get("ensemble", {}).get("folds")])
    folder = out / "data" / hashlib.sha256(split.encode()).hexdigest()[:8]
    if not (folder / "prepared").exists():
        with _inside(folder, params):
            (folder / "raw").mkdir(exist_ok=True)
            download.main(folder / "raw")
            prepare.main(folder / "raw", folder / "prepared", folder / "data.json")
    return folder


def _run(folder: Path, params: dict[str, Any], data: Path) -> tuple[Record, dict[str, int]]:
    """Train, evaluate and predict in `folder`; the run's figures, and the number of images of each part.

    `data` is what `prepare_once` returns.
    """
    prepared, card, sample = data / "prepared", data / "data.json", data / "raw/sampleSubmission.csv"
    model, reports = folder / "model.pt", folder / "reports"
    with _inside(folder, params):
        train.main(prepared, model, reports / "train")
        evaluate.main(prepared, model, reports / "train/history.csv", card, reports / "eval", reports / "report.html")
        predict.main(prepared, sample, model, folder / "submission.csv")
    metrics = json.loads((reports / "eval/metrics.json").read_text())
    training = json.loads((reports / "train/metrics.json").read_text())
    timing = pd.read_csv(folder / "logs/train_timing.csv")
    figures = {
        part: {key: metrics[part][key] for key in FIGURES if key in metrics[part]} for part in PARTS if part in metrics
    }
    run = {
        "seed": params["seed"],
        **figures,
        **{key: training[key] for key in ("best",) if key in training},
        "epochs": len(timing),
        "train_seconds": round(timing["seconds"].sum(), 1),
        "images_per_second": round(timing["images_per_second"].median(), 1),
    }
    measured = {part: metrics[part]["images"] for part in PARTS if part in metrics}
    return run, {"train": len(load_prepared(prepared).train_rows), **measured}


@contextlib.contextmanager
def _inside(folder: Path, params: dict[str, Any]) -> Iterator[None]:
    """Within it, `folder` is the current one and holds these parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    YAML().dump(params, folder / PARAMS)
    before = Path.cwd()
    for name in (str(PIPELINE), "src"):  # by which a training knows its own code, and goes on after a change elsewhere
        link = folder / name
        if (before / name).exists() and not link.exists():
            link.symlink_to(before / name)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main()
