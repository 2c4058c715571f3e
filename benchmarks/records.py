"""What is kept of measurements.

A replicated experiment has a folder with `result.json`, `history.csv` and `submission.csv.gz`, a benchmark of speed one
JSON file.
"""

import gzip
import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd

from cifar10.core.config import load_config
from cifar10.core.files import atomic_write
from cifar10.core.tables import write_csv
from cifar10.engine.peak import peak_tflops
from cifar10.engine.provenance import machine
from cifar10.engine.runtime import Runtime, RuntimeConfig
from cifar10.evaluation import origin

RESULTS = Path(__file__).parent / "results"
HISTORY = "history.csv"

# A record is plain JSON:
#   experiment, overrides   what was run: the entry of experiments.yaml as it was then
#   changed                 keys that were set otherwise for this run; such a record is not the experiment's result
#   images                  part -> number of images
#   runs                    for each seed: seed, accuracy and macro F1 by part, best epoch, seconds, images per second
#   note                    what a reader must know to judge the figures
#   at_once                 of how many trainings on the same device the seconds are; not there: of this one alone
#   commit, device, ...     as `provenance.machine` tells them, and `peak_tflops`, measured right after the run
Record = dict[str, Any]


def read_records(folder: Path) -> dict[str, Record]:
    """All records below `folder` by name of their experiment, sorted."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("*/result.json"))]
    return {record["experiment"]: record for record in records}


def write_record(folder: Path, record: Record, history: pd.DataFrame, submission: bytes | None) -> None:
    """Write a record into its folder below `folder`.

    Args:
        history: what `read_history` gives, of all runs.
        submission: the first seed's file; None leaves the one that is there.
    """
    target = folder / record["experiment"]
    write_csv(target / HISTORY, history)
    _write_json(target / "result.json", record)
    if submission is not None:
        atomic_write(target / "submission.csv.gz", gzip.compress(submission, mtime=0))  # no clock in the file


def read_history(folder: Path, name: str) -> pd.DataFrame | None:
    """The epochs of all runs of an experiment: `seed`, then what `train` writes. None for a record from before."""
    path = folder / name / HISTORY
    return pd.read_csv(path) if path.exists() else None


def write_benchmark(path: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """Write the figures of a benchmark with the commit and the machine that they are of; returns all that."""
    result = {**figures, "commit": origin.commit(), **measured_machine()}
    _write_json(path, result)
    return result


def measured_machine() -> dict[str, Any]:
    """`provenance.machine` and its measured peaks: machines of one name differ by a factor of three."""
    runtime = Runtime(load_config(RuntimeConfig, section="runtime"))
    return {**machine(), "peak_tflops": peak_tflops(runtime)}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    atomic_write(path, json.dumps(content, indent=2) + "\n")


def accuracies(record: Record, part: str) -> list[float]:
    """Accuracy of each run on a part (`validation`, `test`), for the runs that have one."""
    return [run[part]["accuracy"] for run in record["runs"] if part in run]


def mean_and_deviation(values: list[float], digits: int = 4) -> str:
    """`0.5312` or, from two values on, `0.5312 ± 0.0021` (sample standard deviation)."""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"
