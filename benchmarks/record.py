"""Keep the finished run of this checkout as a record: `python benchmarks/record.py NAME`.

Writes `benchmarks/results/NAME/result.json` (what was run, on what, and what it reached) and `submission.csv.gz`.
"""

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd

from cifar10 import lineage
from cifar10.files import atomic_write

RESULTS = Path("benchmarks/results")


def main() -> None:
    """Parse the name and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="folder of the record below benchmarks/results")
    parser.add_argument("--note", default="", help="what a reader must know to judge the figures")
    options = parser.parse_args()
    folder = RESULTS / options.name
    atomic_write(folder / "result.json", json.dumps(read_result(options.name, options.note), indent=2) + "\n")
    submission = Path("submissions/submission.csv").read_bytes()
    atomic_write(folder / "submission.csv.gz", gzip.compress(submission, mtime=0))  # no clock in the file
    print((folder / "result.json").read_text(), end="")


def read_result(name: str, note: str) -> dict[str, Any]:
    """The run's overrides, figures and circumstances as plain values. Accuracies are those of the last epoch."""
    metrics = json.loads(Path("reports/eval/metrics.json").read_text())
    timing = pd.read_csv("logs/train_timing.csv")
    return {
        "name": name,
        "overrides": lineage.changed_params(),
        **{part: {key: values[key] for key in ("accuracy", "macro_f1", "images")} for part, values in metrics.items()},
        "epochs": len(timing),
        "train_seconds": round(timing["seconds"].sum(), 1),
        "images_per_second": round(timing["images_per_second"].median(), 1),
        "note": note,
        "commit": lineage.commit(),
        **lineage.machine(),
    }


if __name__ == "__main__":
    main()
