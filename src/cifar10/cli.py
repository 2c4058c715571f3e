"""The `cifar10` command: parses, calls one library function, prints."""

import argparse
import json
from pathlib import Path

from cifar10.config import InputError

METRICS = Path("reports/eval/metrics.json")
REPORT = Path("reports/report.html")
SUBMISSION = Path("submissions/submission.csv")


def main(arguments: list[str] | None = None) -> None:
    """Entry point; a failure that the user can mend is one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="cifar10", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("results", help="what the last run reached and where it lies").set_defaults(run=results)
    options = parser.parse_args(arguments)
    try:
        print(options.run(options))
    except InputError as error:
        parser.exit(1, f"error: {error}\n")


def results(options: argparse.Namespace) -> str:
    """Accuracy and macro F1 of the last run, its files, and what to do next."""
    try:
        metrics = json.loads(METRICS.read_text())
    except FileNotFoundError:
        raise InputError(f"{METRICS}: not found; `dvc repro` makes it") from None
    lines = [
        f"{part:<11} accuracy {score['accuracy']:.4f}   macro F1 {score['macro_f1']:.4f}   ({score['images']:,} images)"
        for part, score in metrics.items()
    ]
    lines += [
        f"report      {REPORT}",
        f"submission  {SUBMISSION}",
        "",
        "next        dvc exp run -S lr=0.05                      another learning rate",
        "            dvc exp run -S data.source=kaggle           the competition's images, with your Kaggle account",
        "            dvc exp show                                all runs side by side",
    ]
    return "\n".join(lines)
