"""Write the tables of what was run from the committed records: `make table`.

docs/results.md gets every experiment, README.md the first of `FRONT` that have a record.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import mean

import pandas as pd
from records import RESULTS, Record, accuracies, mean_and_deviation, read_records

from cifar10.app.experiments.recipes import Experiment, load_experiments
from cifar10.core.files import atomic_write

README, ALL = Path("README.md"), Path("docs/results.md")
FRONT = (
    "winner_ensemble",
    "winner_final",
    "winner",
    "fast",
    "resnet18_improved_steps_lr0.01",
    "resnet9",
    "cnn3",
)
FRONT_ROWS = 5
SCORES = "test_scores.csv"  # beside the records: record,accuracy of its submission, by the holder of the test labels
PEERS = "time_to_accuracy.json"  # beside the records: the peers, trained here


def main() -> None:
    """Bring both files up to date."""
    experiments, records, scores = load_experiments(), read_records(RESULTS), read_scores(RESULTS / SCORES)
    tables = {
        README: front_table(experiments, records, scores, read_peers(RESULTS / PEERS)),
        ALL: table(experiments, records, scores),
    }
    for path, content in tables.items():
        atomic_write(path, with_table(path.read_text(encoding="utf-8"), content))


def with_table(text: str, content: str) -> str:
    """`text` with what stands between the two markers replaced."""
    begin, end = "<!-- table: made by `make table` -->\n", "<!-- end of table -->\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    assert rest, "a page has lost its markers"
    return before + begin + content + end + after


# --- what was measured ---


def read_scores(path: Path) -> dict[str, float]:
    """Name of a record -> accuracy of its submission on the test images; empty until somebody has scored them."""
    if not path.exists():
        return {}
    scores = pd.read_csv(path, dtype={"record": str, "accuracy": float})
    return dict(zip(scores["record"], scores["accuracy"], strict=True))


def read_peers(path: Path) -> Record:
    """What `time_to_accuracy.py` wrote: its machine, and `rows`, the runs of each peer; empty where it was not run."""
    return json.loads(path.read_text()) if path.exists() else {}


def best_epochs(record: Record) -> list[float]:
    """Validation accuracy of each run's best epoch, for the runs that tell it."""
    return [run["best"]["val_accuracy"] for run in record["runs"] if "best" in run]


def test_accuracies(record: Record, scores: dict[str, float]) -> list[float]:
    """On the test images: what the runs measured themselves, else the score of the first seed's submission."""
    score = scores.get(record["experiment"])
    return accuracies(record, "test") or ([] if score is None else [score])


def compare(experiment: Experiment, record: Record, scores: dict[str, float]) -> str:
    """Our accuracy less the published one in points, like with like: of the same images and the same epoch.

    A best epoch is compared with our best one, which is of validation images: no other is known. Where the test images
    are not scored yet, validation stands in for them, and the cell says so.
    """
    if not experiment.published:
        return ""
    test, on_test = test_accuracies(record, scores), experiment.measured_on == "test"
    if experiment.epoch == "best" and best_epochs(record):
        ours, images = best_epochs(record), "validation"
    elif on_test and test:
        ours, images = test, "test"
    else:
        ours, images = accuracies(record, "validation"), "validation"
    stands_in = f" ({images})" if images != experiment.measured_on else ""
    return f"{100 * (mean(ours) - experiment.published):+.1f}{stands_in}"


# --- as Markdown ---


def table(experiments: dict[str, Experiment], records: dict[str, Record], scores: dict[str, float]) -> str:
    """Every experiment in order: the published accuracy beside the one measured here, or `not run`."""
    head = (
        "experiment",
        "published",
        "of",
        "validation, last epoch",
        "best epoch",
        "test",
        "n",
        "points",
        "training",
        "machine",
    )
    rows = []
    for name, experiment in experiments.items():
        published = f"{experiment.published:.4g}" if experiment.published else ""
        of = f"{experiment.measured_on}, {experiment.epoch}" if experiment.published else ""
        record = _result(records, name)
        if record:
            parts = [accuracies(record, "validation"), best_epochs(record), test_accuracies(record, scores)]
            measured = [mean_and_deviation(values) if values else "" for values in parts]
            measured += [str(len(record["runs"])), compare(experiment, record, scores), _seconds(record)]
            measured += [describe_machine(record)]
        else:
            measured = ["not run"] + [""] * 6
        rows.append((f"`{name}`", published, of, *measured))
    return _markdown(head, rows)


def front_table(
    experiments: dict[str, Experiment],
    records: dict[str, Record],
    scores: dict[str, float],
    peers: Record,
) -> str:
    """The first of `FRONT` that were measured, on the test images where that is known, and what to compare with.

    A peer's seconds stand beside ours only where both are of equal machines.
    """
    rows = []
    for name in FRONT:
        record = _result(records, name)
        if record is None or name not in experiments:
            continue
        test, experiment = test_accuracies(record, scores), experiments[name]
        validation = accuracies(record, "validation")
        accuracy = mean_and_deviation(test) if test else f"{mean_and_deviation(validation)} (validation)"
        if record["note"].startswith("On the JPEG copies"):
            accuracy += ", JPEG copies"
        beside = experiment.peer or f"{experiment.published:.4g}, the study's"
        runs = peers.get("rows", {}).get(beside.partition(" ")[0], {}).get("runs", [])
        if runs and equal_machines(record, peers):
            beside += f"; here {mean(run['accuracy'] for run in runs):.4f} in "
            beside += f"{_minutes(mean(run['train_seconds'] for run in runs))}"
        rows.append((f"`{name}`", accuracy, _seconds(record), describe_machine(record), beside))
    return _markdown(("recipe", "test accuracy", "training", "machine", "beside it"), rows[:FRONT_ROWS])


def describe_machine(record: Record) -> str:
    """The device, and what it can do where the record tells it: one name stands for machines that differ by three."""
    peak, kind = _peak(record)
    return f"{record['device']}, {peak:.3g} TFLOP/s {kind}" if kind else record["device"]


def equal_machines(one: Record, other: Record) -> bool:
    """Whether both have one device's name, and reach the same to within a tenth: one name stands for several."""
    (peak, _), (other_peak, _) = _peak(one), _peak(other)
    return one["device"] == other["device"] and abs(peak - other_peak) <= 0.1 * max(peak, other_peak)


def _peak(record: Record) -> tuple[float, str]:
    """The most that its machine reaches, in TFLOP/s, and in which precision; 0 and nothing where it does not tell."""
    return max(((peak, kind) for kind, peak in record.get("peak_tflops", {}).items()), default=(0.0, ""))


def _result(records: dict[str, Record], name: str) -> Record | None:
    """The record of an experiment; one with changed keys is none of its results."""
    record = records.get(name)
    return record if record and not record["changed"] else None


def _seconds(record: Record) -> str:
    seconds = _minutes(mean(run["train_seconds"] for run in record["runs"]))
    return f"{seconds}, {record['at_once']} at once" if "at_once" in record else seconds


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def _markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(head), ["---"] * len(list(head)), *map(list, rows)]
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |").replace("|  |", "| |") for row in cells)


if __name__ == "__main__":
    main()
