"""`submissions/scores.csv`: one row for each submission, meant to be committed with the project."""

import csv
import io
import math
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from cifar10.app.columns import align
from cifar10.core.files import atomic_write
from cifar10.core.locks import LOCKS, lock

LOCK_SECONDS = 60.0  # a row is written in a moment


@dataclass(frozen=True)
class Score:
    """One submission. Scores are as Kaggle writes them; what is not known (yet) is an empty string."""

    time: str  # UTC: 2026-01-31T12:00:00Z
    reference: str  # Kaggle's number of the submission
    experiment: str  # empty where the file is not this project's last run
    commit: str
    sha256: str  # of the table that was submitted, unpacked
    validation_accuracy: str
    public: str
    private: str
    status: str  # pending | complete | error | unlisted: no longer, or another account's
    validation_of: str = ""  # the run that the accuracy is of, where it is not the one that was submitted

    @property
    def gap(self) -> float | None:
        """Validation accuracy minus public score: above 0, validation promised more than the leaderboard gives."""
        validation, public = as_number(self.validation_accuracy), as_number(self.public)
        return None if validation is None or public is None else validation - public


COLUMNS = [field.name for field in fields(Score)]


def as_number(text: str) -> float | None:
    """A score as a number; None for what Kaggle writes in the place of one, such as `N/A`."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_scores(path: Path) -> list[Score]:
    """The rows of the file, without those that are damaged; none if it does not exist."""
    return [line for line in _read_lines(path) if isinstance(line, Score)]


def find_damage(path: Path, with_text: str = "") -> list[str]:
    """What `read_scores` passes over, a sentence for each line (`with_text`), such as those of a merge conflict."""
    return [
        f"{path}: line {number}: not a row of this table"
        for number, line in enumerate(_read_lines(path), 1)
        if isinstance(line, bytes) and with_text.encode() in line
    ]


def write_score(path: Path, score: Score) -> None:
    """Add a row, or replace the one with the same reference; damaged lines stay. The file is replaced as a whole."""
    with lock(LOCKS / path.name, LOCK_SECONDS):
        lines = [line for line in _read_lines(path) if line is not None]
        same = [n for n, line in enumerate(lines) if isinstance(line, Score) and line.reference == score.reference]
        others = [line for n, line in enumerate(lines) if n not in same]
        others.insert(same[0] if same else len(others), score)
        atomic_write(path, b"\n".join([",".join(COLUMNS).encode(), *map(_as_bytes, others), b""]))


def _as_bytes(line: Score | bytes) -> bytes:
    if isinstance(line, bytes):
        return line
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(astuple(line))
    return text.getvalue().encode()


def _read_lines(path: Path) -> list[Score | bytes | None]:
    """A row for each line, or its bytes where it is none; None for the header and for blank lines."""
    if not path.exists():
        return []
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    return [_parse(line) for line in content.split(b"\n")]


def _parse(line: bytes) -> Score | bytes | None:
    try:
        row = next(csv.reader([line.decode().rstrip("\r")], strict=True), [])
        if not "".join(row).strip() or row[: len(COLUMNS) - 1] == COLUMNS[:-1]:  # as it was without the last one, too
            return None
        score = Score(*row)
        float(score.validation_accuracy or 0)
    except (TypeError, ValueError, csv.Error):
        return line
    return score if score.reference and score.status else line


def format_scores(scores: list[Score]) -> str:
    """The table for people: best public score first, then what has none."""
    header = ("public", "private", "validation", "gap", "status", "time", "experiment", "commit", "reference")
    table: list[tuple[str, ...]] = [header]
    for row in sorted(scores, key=_public_score, reverse=True):
        gap = "" if row.gap is None else f"{row.gap:+.4f}"
        what = (row.status, row.time, row.experiment, row.commit, row.reference)
        table.append((row.public, row.private, format_validation(row), gap, *what))
    return align(table)


def _public_score(row: Score) -> float:
    number = as_number(row.public)
    return -math.inf if number is None else number


def format_validation(row: Score) -> str:
    """The validation accuracy, with the run that it is of where that is another one."""
    number = as_number(row.validation_accuracy)
    of = f" ({row.validation_of})" if row.validation_of else ""
    return "" if number is None else f"{number:.4f}{of}"
