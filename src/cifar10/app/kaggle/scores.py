"""`submissions/scores.csv`: one row for each submission, meant to be committed with the project."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from cifar10.app.columns import align
from cifar10.core.config import InputError
from cifar10.core.tables import write_csv


@dataclass(frozen=True)
class Score:
    """One submission. Scores are accuracies as Kaggle writes them; what is not known (yet) is an empty string."""

    time: str  # UTC: 2026-01-31T12:00:00Z
    reference: str  # Kaggle's number of the submission
    experiment: str
    commit: str
    sha256: str  # of the file that was submitted
    validation_accuracy: str
    public: str
    private: str
    status: str  # pending | complete | error

    @property
    def gap(self) -> float | None:
        """Validation accuracy minus public score: above 0, the leaderboard is the less kind of the two."""
        if not self.validation_accuracy or not self.public:
            return None
        return float(self.validation_accuracy) - float(self.public)


COLUMNS = [field.name for field in fields(Score)]


def read_scores(path: Path) -> list[Score]:
    """All rows of the file, none if it does not exist.

    Raises:
        InputError: naming the line that is not a row of this table, such as a merge conflict left in it.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        if next(rows, None) != COLUMNS:
            raise InputError(f"{path}: line 1: expected the header {','.join(COLUMNS)}")
        scores = []
        for row in rows:
            try:
                scores.append(_parse(row))
            except (TypeError, ValueError):
                raise InputError(f"{path}: line {rows.line_num}: not a row of this table") from None
    return scores


def _parse(row: list[str]) -> Score:
    score = Score(*row)
    for number in (score.validation_accuracy, score.public, score.private):
        float(number or 0)
    return score


def write_score(path: Path, score: Score) -> None:
    """Add a row, or replace the one with the same reference; the file is replaced as a whole."""
    rows = {row.reference: row for row in read_scores(path)} | {score.reference: score}
    write_csv(path, pd.DataFrame([asdict(row) for row in rows.values()], columns=COLUMNS))


def format_scores(scores: list[Score]) -> str:
    """The table for people: best public score first, then what has none."""
    header = ("public", "private", "validation", "gap", "status", "time", "experiment", "commit", "reference")
    table: list[tuple[str, ...]] = [header]
    for row in sorted(scores, key=lambda row: float(row.public or "-inf"), reverse=True):
        gap = "" if row.gap is None else f"{row.gap:+.4f}"
        validation = f"{float(row.validation_accuracy):.4f}" if row.validation_accuracy else ""
        what = (row.status, row.time, row.experiment, row.commit, row.reference)
        table.append((row.public, row.private, validation, gap, *what))
    return align(table)
