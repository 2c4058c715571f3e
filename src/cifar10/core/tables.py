"""Reading and writing the competition's `id,label` tables.

Strict on purpose: with its defaults pandas reads a truncated, shifted or doubled label file without complaint.
"""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from cifar10.core.config import InputError
from cifar10.core.files import atomic_write

HEADER = ["id", "label"]
MAX_ID_DIGITS = 18  # what fits into 64 bits
MAX_LABEL_CHARACTERS = 200
MARKUP = ("</", "<!")  # `dvc plots` writes labels as they are into a script, which these end: what follows would run
MAX_BYTES = 1 << 25  # eight times Kaggle's largest table
_LONE_CR = re.compile(r"\r(?!\n)")
_ID = re.compile(rf"0|[1-9][0-9]{{0,{MAX_ID_DIGITS - 1}}}")


def read_table(path: Path, shown: str | None = None) -> pd.DataFrame:
    """Read an `id,label` CSV: columns `id` (int64) and `label` (str), in file order, indexed 0..n-1.

    LF or CRLF line ends, a UTF-8 byte-order mark and quoted fields are all accepted; a header without rows is too.

    Args:
        path: the file that is read.
        shown: what errors call it, for a copy of a file of the user's.

    Raises:
        InputError: naming the file and the line of the first thing wrong.
    """
    try:
        with path.open("rb") as file:
            return parse_table(file.read(MAX_BYTES + 1), shown or str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None


def parse_table(data: bytes, shown: str) -> pd.DataFrame:
    """What `read_table` makes of the bytes of a file that errors call `shown`."""
    if len(data) > MAX_BYTES:
        raise InputError(f"{shown}: larger than {MAX_BYTES >> 20} MiB; no table of ids and labels")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{shown}: not UTF-8 text (byte {error.start})") from None
    if not text.strip():
        raise InputError(f"{shown}: the file is empty; expected the header id,label and a row for each image")

    if lone := _LONE_CR.search(text):
        line = text.count("\n", 0, lone.start()) + 1
        raise InputError(f"{shown}: line {line}: ends with CR alone; save it with LF or CRLF line ends")

    line_of_id: dict[int, int] = {}
    labels: list[str] = []
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(rows)
        if header != HEADER:
            raise InputError(f"{shown}: line 1: expected the header id,label, found {','.join(header)[:40]!r}")
        for row in rows:
            if mistake := _find_mistake(row, line_of_id):
                raise InputError(f"{shown}: line {rows.line_num}: {mistake}")
            line_of_id[int(row[0])] = rows.line_num
            labels.append(row[1])
    except csv.Error as error:
        raise InputError(f"{shown}: line {rows.line_num}: {error}") from None
    return pd.DataFrame({"id": np.array([*line_of_id], dtype=np.int64), "label": pd.Series(labels, dtype="str")})


def is_label(label: str) -> bool:
    """Whether a text may name a class: printable, no spaces around it, 1 to 200 characters, no `</` or `<!`."""
    is_word = label == label.strip() and label.isprintable() and 0 < len(label) <= MAX_LABEL_CHARACTERS
    return is_word and not any(mark in label for mark in MARKUP)


def _find_mistake(row: list[str], line_of_id: dict[int, int]) -> str:
    """What is wrong with a row, below those with the ids of `line_of_id`; empty where nothing is."""
    if len(row) != 2:
        return f"expected 2 fields (id,label), found {len(row)}"
    number, label = row
    if not _ID.fullmatch(number):
        return f"id {number[:40]!r} is not a whole number"
    if not label or label != label.strip():
        return f"the label {label[:40]!r} of id {number} is empty or padded with spaces"
    if not is_label(label):
        return f"the label {label[:40]!r} of id {number} is too long, cannot be printed, or has </ or <! in it"
    if int(number) in line_of_id:
        return f"id {number} is there twice (first in line {line_of_id[int(number)]})"
    return ""


def write_csv(path: Path, table: pd.DataFrame, line_end: str = "\n") -> None:
    """Write a table with full float precision, whole or not at all. Kaggle's own files end lines with CRLF."""
    atomic_write(path, table.to_csv(index=False, lineterminator=line_end))
