"""Label tables against archives: which image has which class."""

from pathlib import Path

import numpy as np
from jaxtyping import Int64

from cifar10.core.config import InputError
from cifar10.core.tables import read_table
from cifar10.data.dataset import UNKNOWN
from cifar10.images.archives import ImageArchive
from cifar10.images.origins import Origins


def read_labels(path: Path, origins: Origins) -> dict[int, str]:
    """Labels by id; refuses what cannot be a classification task, and the label that a cut-off file ends with."""
    shown = origins.file(path)
    table = read_table(path, shown)
    if table.empty:
        raise InputError(f"{shown}: no rows below the header; expected one for each training image")
    counts = table["label"].value_counts()
    if len(counts) < 2:
        raise InputError(f"{shown}: every label is {counts.index[0]!r}; nothing to tell apart")
    for label in counts.index[counts == 1]:
        number = table["id"][table["label"] == label].iloc[0]
        raise InputError(f"{shown}: the class {label!r} has one image only (id {number}); cut off or misspelt?")
    return dict(zip(table["id"].tolist(), table["label"].tolist(), strict=True))


def read_solution(path: Path, classes: list[str], origins: Origins) -> dict[int, str]:
    """Labels of the test images that have one, by id; each is one of `classes`."""
    table = read_table(path, origins.file(path))
    for label in set(table["label"]) - set(classes):
        known = origins.file(path.with_name("trainLabels.csv"))
        raise InputError(f"{origins.file(path)}: the label {label!r} is not among the classes of {known}")
    return dict(zip(table["id"].tolist(), table["label"].tolist(), strict=True))


def match_labels(
    archive: ImageArchive, label_file: Path, labels: dict[int, str], classes: list[str], origins: Origins
) -> tuple[Int64[np.ndarray, " images"], Int64[np.ndarray, " images"]]:
    """Ids of an archive's images, ascending, and their labels; UNKNOWN for a test image without an entry in `labels`.

    Raises:
        InputError: an entry has no image, or a training image no entry.
    """
    shown = origins.file(label_file)
    names = {member.id: member for member in archive.members}
    if label_file.name == "trainLabels.csv":
        for number in sorted(names.keys() - labels.keys())[:1]:
            raise InputError(f"{origins.image(archive.path, names[number])}: image {number} has no label in {shown}")
    for number in sorted(labels.keys() - names.keys())[:1]:
        where = "there is" if origins.images else f"{archive.shown} has"  # an archive that the user has not made
        raise InputError(f"{shown}: id {number} has a label, but {where} no image {number}")
    ids = np.array(sorted(names), dtype=np.int64)
    class_of = {name: number for number, name in enumerate(classes)}
    numbers = [class_of[labels[number]] if number in labels else UNKNOWN for number in ids.tolist()]
    return ids, np.array(numbers, dtype=np.int64)
