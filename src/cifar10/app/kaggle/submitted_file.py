"""What a file to submit holds, packed or not, and which run it is of."""

import csv
import gzip
import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cifar10.app.kaggle.recipe_run import validation_accuracy
from cifar10.app.paths import SUBMISSION
from cifar10.core.config import InputError
from cifar10.core.tables import HEADER, MAX_BYTES, parse_table
from cifar10.evaluation import origin


@dataclass(frozen=True)
class Origin:
    """The run that made a file; all empty for a file that the last run did not make."""

    experiment: str = ""
    commit: str = ""
    validation_accuracy: str = ""
    validation_of: str = ""


def read_file(file: Path) -> bytes:
    """The file's bytes, which are read once: what is checked is what is sent, whatever is written there meanwhile.

    Raises:
        InputError: there is no such file, or it is too large.
    """
    try:
        with file.open("rb") as opened:
            return _within_limit(opened.read(MAX_BYTES + 1), file)
    except FileNotFoundError:
        raise InputError(f"{file}: not found") from None


def unpack(content: bytes, file: Path) -> bytes:
    """The table's bytes: all, or those inside of a `.gz` or of a `.zip` of one file, as Kaggle takes them.

    Raises:
        InputError: it is damaged, or holds something else.
    """
    try:
        if file.suffix.lower() == ".gz":
            with gzip.open(io.BytesIO(content)) as opened:
                content = opened.read(MAX_BYTES + 1)
        elif file.suffix.lower() == ".zip":
            content = _read_zip(content, file)
    except InputError:
        raise
    except Exception:  # damage makes the modules raise their own errors, and ValueError, OSError, struct's, ...
        raise InputError(f"{file}: cannot be unpacked; damaged, or locked with a password?") from None
    return _within_limit(content, file)


def _within_limit(content: bytes, file: Path) -> bytes:
    if len(content) > MAX_BYTES:
        raise InputError(f"{file}: holds more than {MAX_BYTES >> 20} MiB; no table of ids and labels")
    return content


def _read_zip(content: bytes, file: Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        if len(names) != 1:
            raise InputError(f"{file}: holds {len(names)} files; Kaggle scores a zip of one")
        with archive.open(names[0]) as member:
            return member.read(MAX_BYTES + 1)


def parse_submission(content: bytes, file: Path) -> pd.DataFrame:
    """The table in columns `id` and `label`, which Kaggle finds by their names, in either order.

    Raises:
        InputError: as `read_table`.
    """
    header, _, rows = content.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    if header.strip().split(b",") == [name.encode() for name in reversed(HEADER)]:
        swapped = io.StringIO()
        reader = csv.reader(io.StringIO(rows.decode(errors="replace"), newline=""))
        csv.writer(swapped).writerows([HEADER, *(row[::-1] for row in reader)])
        content = swapped.getvalue().encode()
    return parse_table(content.rstrip(b"\r\n") + b"\n", str(file))


def find_origin(content: bytes) -> Origin:
    """The last run if the file is the one that it made, whatever its name; else nothing."""
    lock = origin.LOCK.read_text(encoding="utf-8") if origin.LOCK.exists() else ""
    made = origin.out_md5(lock, SUBMISSION)
    if not made and SUBMISSION.exists():
        made = _md5(SUBMISSION.read_bytes())
    if made != _md5(content):
        return Origin()
    return Origin(origin.experiment(), origin.commit(), *validation_accuracy())


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
