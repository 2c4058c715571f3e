"""What the user calls the raw files and the images in them.

`download` packs files of any name into archives of numbered images; whoever has to mend one looks for it by its own
name. The table `origins.csv` beside the archives keeps it, and says which images are a validation part of the user's.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cifar10.core.config import InputError
from cifar10.core.files import atomic_write
from cifar10.images.archives import Member

ORIGINS = "origins.csv"
PART_OF = {"train.7z": "train", "test.7z": "test"}
VALIDATION = "validation"  # such images are in train.7z with the others
FETCH_AGAIN = "; once it is right, run `dvc repro -f download`"


class Origin(NamedTuple):
    """One row: what became image `id` of a part (train, validation, test), or a raw file as a whole (no id)."""

    part: str
    id: int | None
    name: str  # below `data.path`


def write_origins(folder: Path, origins: Iterable[Origin] = ()) -> None:
    """Write `origins.csv`; without rows, the raw files are what the user knows."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(Origin._fields)
    rows.writerows(origins)
    atomic_write(folder / ORIGINS, text.getvalue())


@dataclass(frozen=True)
class Origins:
    """The names of `origins.csv`, for messages."""

    root: str  # `data.path`
    files: dict[str, str]  # raw file -> name
    images: dict[tuple[str, int], str]  # (train or test, id) -> name
    validation_ids: list[int]

    def file(self, path: Path) -> str:
        """What to call a raw file."""
        return f"{self.root}/{self.files[path.name]}".rstrip("/") if path.name in self.files else str(path)

    def image(self, archive: Path, member: Member) -> str:
        """What to call an image of an archive; it ends as the image's format asks for."""
        name = self.images.get((PART_OF[archive.name], member.id))
        return f"{self.root}/{name}" if name else f"{self.file(archive)}: {member.name}"

    @contextmanager
    def hint(self) -> Iterator[None]:
        """Errors inside end with how to go on once a file of the user's is mended: DVC does not look into them."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{error}{FETCH_AGAIN if self.files or self.images else ''}") from None


def read_origins(folder: Path, root: str) -> Origins:
    """Read the table of a folder of raw files; `root` is what its names are relative to.

    Raises:
        InputError: it is not what `download` wrote.
    """
    path = folder / ORIGINS
    found = Origins(root.rstrip("/"), {}, {}, [])
    try:
        rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), strict=True)
        if next(rows, []) != list(Origin._fields):
            raise ValueError
        for part, number, name in rows:
            if not number:
                found.files[part] = name
                continue
            found.images["test" if part == "test" else "train", int(number)] = name
            if part == VALIDATION:
                found.validation_ids.append(int(number))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run `dvc repro -f download`") from None
    except (ValueError, csv.Error):  # not UTF-8, a row of more or fewer fields, an id that is no number
        raise InputError(f"{path}: not the table that `download` writes; run `dvc repro -f download`") from None
    return found
