"""The prepared data: image arrays that are memory-mapped, their labels, and the split; batches of them on a device."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from sklearn.model_selection import train_test_split
from torch import Tensor

from cifar10.config import InputError

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
    mean: list[float]  # per channel (red, green, blue) over the training part, pixels scaled to 0..1
    std: list[float]

    @property
    def train(self) -> ImageSet:
        """The images to learn from."""
        return self.labelled.select(self.train_rows)

    @property
    def val(self) -> ImageSet:
        """The labelled images held back for validation."""
        return self.labelled.select(self.val_rows)


ARRAYS = ("images", "labels", "ids")


def load_prepared(folder: Path) -> PreparedData:
    """Open what `prepare` wrote; images stay on disk until they are used.

    Raises:
        InputError: a file is missing or is not what `prepare` writes.
    """
    try:
        meta: dict[str, Any] = json.loads((folder / "dataset.json").read_text())
        parts = {
            part: ImageSet(
                **{
                    name: np.load(folder / f"{part}_{name}.npy", mmap_mode="r" if name == "images" else None)
                    for name in ARRAYS
                }
            )
            for part in ("labelled", "test")
        }
        rows = {part: np.load(folder / f"{part}_rows.npy") for part in ("train", "val")}
        return PreparedData(
            parts["labelled"], parts["test"], rows["train"], rows["val"], meta["classes"], meta["mean"], meta["std"]
        )
    except (OSError, ValueError, KeyError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:80]
        name = getattr(error, "filename", None) or folder
        raise InputError(f"{name}: {reason}; `dvc repro prepare` makes it anew") from None


def split_rows(
    labels: Int64[np.ndarray, " images"], groups: Int64[np.ndarray, " images"], val_fraction: float, seed: int
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " val"]]:
    """Split rows into training and validation, stratified by label; rows of one group stay on one side.

    `groups` gives exact duplicates the same number. Whole groups are drawn, each stratified by the label of its first
    row, so the sizes can miss `val_fraction` by as many rows as there are duplicates.

    Returns:
        Ascending row numbers of the two sides: disjoint, together all rows. A fraction of 0 leaves the second empty.

    Raises:
        InputError: too few images for the fraction.
    """
    rows = np.arange(len(labels))
    if val_fraction == 0:
        return rows, rows[:0]
    group_numbers, first_rows, group_of_row = np.unique(groups, return_index=True, return_inverse=True)
    try:
        _, val_groups = train_test_split(
            np.arange(len(group_numbers)), test_size=val_fraction, stratify=labels[first_rows], random_state=seed
        )
    except ValueError as error:
        raise InputError(f"data.val_fraction: {val_fraction} cannot split {len(rows)} images: {error}") from None
    in_val = np.isin(group_of_row, val_groups)
    return rows[~in_val], rows[in_val]


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


def normalize(
    images: UInt8[Tensor, "batch 3 32 32"], mean: list[float], std: list[float]
) -> Float[Tensor, "batch 3 32 32"]:
    """Pixels 0..255 -> float32 with the given channel mean and standard deviation taken out."""
    shift = torch.tensor(mean, device=images.device).view(1, 3, 1, 1)
    # A channel that never changes (std 0) carries nothing: leave it at zero instead of dividing by it.
    scale = torch.tensor(std, device=images.device).clamp(min=1e-6).view(1, 3, 1, 1)
    return (images.float() / 255 - shift) / scale


class BatchLoader:
    """Batches of images that live on the device as uint8 from the first to the last epoch.

    All of CIFAR-10 is 154 MB: one copy to the device replaces the worker processes of a DataLoader.
    """

    def __init__(self, data: ImageSet, batch_size: int, device: torch.device) -> None:
        self.images: UInt8[Tensor, "images 3 32 32"] = torch.from_numpy(np.ascontiguousarray(data.images)).to(device)
        self.labels: Int64[Tensor, " images"] = torch.from_numpy(data.labels).to(device)
        self.batch_size = batch_size
        # A last batch of one image has no variance for batch normalisation: such a single image sits the epoch out.
        self.images_per_epoch = len(data) - (len(data) % batch_size == 1)
        self.batches_per_epoch = -(-self.images_per_epoch // batch_size)

    def epoch(
        self, generator: torch.Generator
    ) -> Iterator[tuple[UInt8[Tensor, "batch 3 32 32"], Int64[Tensor, " batch"]]]:
        """One pass over all images in an order drawn from `generator` (on the CPU: the same order on any device)."""
        order = torch.randperm(len(self.images), generator=generator).to(self.images.device)
        for rows in order[: self.images_per_epoch].split(self.batch_size):
            yield self.images[rows], self.labels[rows]
