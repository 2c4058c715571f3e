"""prepare: archives -> arrays, a split, a data card; every image is decoded once, from memory."""

import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cifar10 import stages
from cifar10.archives import read_ids, visit_images
from cifar10.config import DataConfig, InputError, load_config
from cifar10.datacard import describe, duplicate_groups
from cifar10.dataset import UNKNOWN, ImageSet, PreparedData, channel_statistics
from cifar10.files import atomic_folder, atomic_write
from cifar10.images import SIZE_PIXELS, decode_image
from cifar10.split import split_rows
from cifar10.tables import read_table


def main(raw: Path, prepared: Path, card: Path) -> None:
    """Read the five files of `raw`; write the folder `prepared` (see `dataset.PreparedData`) and the data card."""
    config = load_config(DataConfig, section="data")
    labels = _read_labels(raw / "trainLabels.csv")
    classes = sorted(set(labels.values()))
    solution = _read_solution(raw / "solution.csv", classes)
    train_ids, test_ids = read_ids(raw / "train.7z"), read_ids(raw / "test.7z")
    for number in sorted(set(train_ids) - labels.keys())[:1]:
        raise InputError(f"{raw / 'train.7z'}: image {number} has no label in {raw / 'trainLabels.csv'}")
    with atomic_folder(prepared) as folder:
        labelled = _decode(raw / "train.7z", train_ids, raw / "trainLabels.csv", labels, classes, folder / "labelled")
        test = _decode(raw / "test.7z", test_ids, raw / "solution.csv", solution, classes, folder / "test")

        groups = duplicate_groups(labelled.images)
        train_rows, val_rows = split_rows(labelled.labels, groups, config.val_fraction, config.split_seed)
        mean, std = channel_statistics(labelled.images, train_rows)
        np.save(folder / "train_rows.npy", train_rows)
        np.save(folder / "val_rows.npy", val_rows)
        (folder / "dataset.json").write_text(json.dumps({"classes": classes, "mean": mean, "std": std}, indent=2))
        data = PreparedData(labelled, test, train_rows, val_rows, classes, mean, std)
        atomic_write(card, json.dumps(describe(data, groups), indent=2) + "\n")
    print(f"prepare: {len(train_rows):,} training, {len(val_rows):,} validation and {len(test):,} test images")


def _read_labels(path: Path) -> dict[int, str]:
    """Labels by id; refuses what cannot be a classification task, and the label that a cut-off file ends with."""
    table = read_table(path)
    if table.empty:
        raise InputError(f"{path}: no rows below the header; expected one for each training image")
    counts = table["label"].value_counts()
    if len(counts) < 2:
        raise InputError(f"{path}: every label is {counts.index[0]!r}; nothing to tell apart")
    for label in counts.index[counts == 1]:
        number = table["id"][table["label"] == label].iloc[0]
        raise InputError(f"{path}: the class {label!r} has one image only (id {number}); cut off or misspelt?")
    return dict(zip(table["id"].tolist(), table["label"].tolist(), strict=True))


def _read_solution(path: Path, classes: list[str]) -> dict[int, str]:
    table = read_table(path)
    for label in set(table["label"]) - set(classes):
        raise InputError(f"{path}: the label {label!r} is not among the classes of trainLabels.csv")
    return dict(zip(table["id"].tolist(), table["label"].tolist(), strict=True))


def _decode(
    archive: Path, found: list[int], label_file: Path, labels: dict[int, str], classes: list[str], target: Path
) -> ImageSet:
    """Decode an archive into `<target>_images.npy`, `_labels.npy` and `_ids.npy`, rows sorted by id.

    `found` are the ids in the archive. An image without an entry in `labels` is UNKNOWN; an entry without an image is
    an error.
    """
    ids = np.sort(np.array(found, dtype=np.int64))
    row_of = {number: row for row, number in enumerate(ids.tolist())}
    for number in sorted(labels.keys() - row_of.keys())[:1]:
        raise InputError(f"{label_file}: id {number} has a label, but {archive} has no image {number}")
    class_of = {name: number for number, name in enumerate(classes)}
    numbers = [class_of[labels[i]] if i in labels else UNKNOWN for i in row_of]

    shape = (len(ids), 3, SIZE_PIXELS, SIZE_PIXELS)
    images = np.lib.format.open_memmap(f"{target}_images.npy", mode="w+", dtype=np.uint8, shape=shape)
    with tqdm(total=len(ids), desc=f"prepare: {archive.name}", unit=" images", disable=None) as bar:

        def keep(number: int, name: str, data: bytes) -> None:
            try:
                images[row_of[number]] = decode_image(data, name)
            except InputError as error:
                raise InputError(f"{archive}: {error}") from None
            bar.update()

        visit_images(archive, keep)
    result = ImageSet(images, np.array(numbers, dtype=np.int64), ids)
    np.save(f"{target}_labels.npy", result.labels)
    np.save(f"{target}_ids.npy", result.ids)
    return result


if __name__ == "__main__":
    stages.run(main)
