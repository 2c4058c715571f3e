"""The prepared data: image arrays that are memory-mapped, their labels, and the split."""

import hashlib
import json
import mmap
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from cifar10.core.config import InputError
from cifar10.core.files import atomic_write

UNKNOWN = -1
"""The label of a test image whose class the competition keeps to itself."""


@dataclass(frozen=True)
class ImageSet:
    """Images with their ids and labels, row by row."""

    images: UInt8[np.ndarray, "images 3 32 32"]
    labels: Int64[np.ndarray, " images"]  # index into PreparedData.classes, or UNKNOWN
    ids: Int64[np.ndarray, " images"]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def digest(self) -> bytes:
        """sha256 of images and labels; the members of an ensemble share the images, and need it once."""
        digest = hashlib.sha256()
        for array in (self.images, self.labels):
            for start in range(0, len(array), 8192):
                digest.update(array[start : start + 8192].tobytes())
        return digest.digest()

    def select(self, rows: Int64[np.ndarray, " rows"] | np.ndarray) -> "ImageSet":
        """The given rows, copied into memory."""
        return ImageSet(self.images[rows], self.labels[rows], self.ids[rows])


@dataclass(frozen=True)
class PreparedData:
    """What the stage `prepare` leaves: two image sets, a split of the first, and what the training part looks like."""

    labelled: ImageSet
    test: ImageSet
    train_rows: Int64[np.ndarray, " train"]  # rows of `labelled`, ascending
    val_rows: Int64[np.ndarray, " val"]  # the others; empty where val_fraction is 0
    classes: list[str]  # sorted names
    mean: list[float]  # what pixels are normalised with, per channel (red, green, blue), scaled to 0..1: those of the
    std: list[float]  # training part, or data.normalization
    fold_of_row: Int64[np.ndarray, " images"] | None = None  # where `ensemble.folds` is on: of each row of `labelled`

    @property
    def train(self) -> ImageSet:
        """The images to learn from."""
        return self.labelled.select(self.train_rows)

    @property
    def val(self) -> ImageSet:
        """The labelled images held back for validation."""
        return self.labelled.select(self.val_rows)

    @property
    def folds(self) -> list["PreparedData"]:
        """The same data once for each fold, which is its validation part; without folds, the data as it is."""
        numbers = self.fold_of_row
        if numbers is None:
            return [self]
        return [
            replace(self, train_rows=np.flatnonzero(numbers != k), val_rows=np.flatnonzero(numbers == k))
            for k in range(int(numbers.max()) + 1)
        ]


ARRAYS = ("images", "labels", "ids")
FOLDS = "fold_of_row.npy"
FILES = (*(f"{part}_{name}.npy" for part in ("labelled", "test") for name in ARRAYS), "train_rows.npy", "val_rows.npy")
DESCRIPTION = "dataset.json"


def write_description(folder: Path, classes: list[str], mean: list[float], std: list[float]) -> None:
    """Write what is not an array, and the sha256 of everything: the last file of the prepared data."""
    meta: dict[str, Any] = {"classes": classes, "mean": mean, "std": std}
    sums = {name: _sha256(folder / name) for name in _files(folder)} | {DESCRIPTION: _sha256_of_values(meta)}
    atomic_write(folder / DESCRIPTION, json.dumps({**meta, "sha256": sums}, indent=2))


def load_prepared(folder: Path) -> PreparedData:
    """Open what `prepare` wrote, once its checksums are found right; images stay on disk until they are used.

    Raises:
        InputError: a file is missing, damaged, or not what `prepare` writes.
    """
    try:
        meta = _read_description(folder)
        arrays = {
            name: np.load(folder / name, mmap_mode="r" if name.endswith("images.npy") else None)
            for name in _files(folder)
        }
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:80]
        name = getattr(error, "filename", None) or folder
        raise InputError(f"{name}: {reason}; `dvc repro prepare` makes it anew") from None
    labelled, test = (ImageSet(*(arrays[f"{part}_{name}.npy"] for name in ARRAYS)) for part in ("labelled", "test"))
    rows = arrays["train_rows.npy"], arrays["val_rows.npy"]
    return PreparedData(labelled, test, *rows, meta["classes"], meta["mean"], meta["std"], arrays.get(FOLDS))


def _files(folder: Path) -> tuple[str, ...]:
    """The arrays of a prepared folder; folds are there only for an ensemble that has them."""
    return (*FILES, FOLDS) if (folder / FOLDS).exists() else FILES


def _read_description(folder: Path) -> dict[str, Any]:
    """What is not an array, after everything was held against its checksum."""
    path = folder / DESCRIPTION
    meta = json.loads(path.read_bytes())
    sums = meta.pop("sha256", None) if isinstance(meta, dict) else None
    if not isinstance(sums, dict) or sums.keys() != {*_files(folder), DESCRIPTION}:
        raise InputError(f"{path}: of another version of this program; `dvc repro prepare` makes it anew")
    for name in (DESCRIPTION, *_files(folder)):
        if sums[name] != (_sha256_of_values(meta) if name == DESCRIPTION else _sha256(folder / name)):
            raise InputError(f"{folder / name}: damaged (sha256 differs); `dvc repro prepare` makes it anew")
    return meta


def _sha256_of_values(meta: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def release_pages(images: UInt8[np.ndarray, "images 3 32 32"]) -> None:
    """Leave what was read from or written to a memory-mapped array to the system's page cache.

    Else a process that goes through the competition's test images seems to hold a gigabyte.
    """
    if isinstance(images.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        images.base.madvise(mmap.MADV_DONTNEED)  # a file's shared pages: nothing is lost


def channel_statistics(
    images: UInt8[np.ndarray, "images 3 32 32"], rows: Int64[np.ndarray, " rows"]
) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel over the given rows, pixels scaled to 0..1.

    Counts how often each of the 256 values occurs, so the result is exact and does not depend on summation order.
    """
    counts = np.zeros((3, 256), dtype=np.int64)
    for start in range(0, len(rows), 4096):
        block = images[rows[start : start + 4096]]
        counts += np.stack([np.bincount(block[:, channel].ravel(), minlength=256) for channel in range(3)])
    values = np.arange(256) / 255
    total = counts.sum(axis=1)
    mean = counts @ values / total
    std = np.sqrt(np.maximum(counts @ values**2 / total - mean**2, 0))
    return mean.tolist(), std.tolist()
