"""prepare: archives -> arrays, a split, a data card; every image is decoded once, from memory."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from tqdm import tqdm

from cifar10.core.config import DataConfig, EnsembleConfig, InputError, load_config
from cifar10.core.files import atomic_folder, atomic_write, reserve, tell_disk_full
from cifar10.core.stage import run_stage
from cifar10.core.tables import read_table
from cifar10.data.dataset import (
    FOLDS,
    UNKNOWN,
    ImageSet,
    PreparedData,
    channel_statistics,
    release_pages,
    write_description,
)
from cifar10.images.archives import ImageArchive, Member, open_images
from cifar10.images.codec import SIZE_PIXELS, decode_images
from cifar10.images.origins import Origins, read_origins
from cifar10.preparation.data_card import describe
from cifar10.preparation.duplicates import exact_groups, near_groups
from cifar10.preparation.split import number_folds, split_rows

BATCH_SIZE = 500  # images decoded at once: enough for numpy, and their pixels still fit into the cache


def main(raw: Path, prepared: Path, card: Path) -> None:
    """Read the files of `raw`; write the folder `prepared` (see `dataset.PreparedData`) and the data card."""
    config = load_config(DataConfig, section="data")
    folds = load_config(EnsembleConfig, section="ensemble").folds
    origins = read_origins(raw, config.path or "")
    with origins.hint():
        labels = _read_labels(raw / "trainLabels.csv", origins)
        classes = sorted(set(labels.values()))
        solution = _read_solution(raw / "solution.csv", classes, origins)
        test_archive = open_images(raw / "test.7z", origins.file(raw / "test.7z"))
    with atomic_folder(prepared) as folder, test_archive.read() as test_members:  # what takes longest begins first
        with origins.hint():
            train_archive = open_images(raw / "train.7z", origins.file(raw / "train.7z"))
            train_ids, train_labels = _match(train_archive, raw / "trainLabels.csv", labels, classes, origins)
            test_ids, test_labels = _match(test_archive, raw / "solution.csv", solution, classes, origins)
        with tell_disk_full(prepared, (len(train_ids) + len(test_ids)) * 3 * SIZE_PIXELS**2):  # before minutes of work
            labelled_images = _create_images(folder / "labelled_images.npy", len(train_ids))
            test_images = _create_images(folder / "test_images.npy", len(test_ids))
        with origins.hint(), train_archive.read() as train_members:
            labelled = ImageSet(labelled_images, train_labels, train_ids)
            _decode(train_archive, train_members, labelled, folder / "labelled", config.resize, origins)

        exact = exact_groups(labelled.images)
        near = near_groups(labelled.images, exact)
        if origins.validation_ids and config.val_fraction and not folds:  # the user's own validation part
            in_val = np.isin(labelled.ids, origins.validation_ids)
            train_rows, val_rows = np.flatnonzero(~in_val), np.flatnonzero(in_val)
        else:
            val_fraction = 0.0 if folds else config.val_fraction
            train_rows, val_rows = split_rows(labelled.labels, exact, near, val_fraction, config.split_seed)
        if folds:
            _save(folder / FOLDS, number_folds(labelled.labels, near, folds, config.split_seed))
        mean, std = channel_statistics(labelled.images, train_rows)
        _save(folder / "train_rows.npy", train_rows)
        _save(folder / "val_rows.npy", val_rows)
        test = ImageSet(test_images, test_labels, test_ids)
        with origins.hint():
            _decode(test_archive, test_members, test, folder / "test", config.resize, origins)
        write_description(folder, classes, *(config.normalization or (mean, std)))
        data = PreparedData(labelled, test, train_rows, val_rows, classes, mean, std)
        atomic_write(card, json.dumps(describe(data, exact, near), indent=2) + "\n")
    print(f"prepare: {len(train_rows):,} training, {len(val_rows):,} validation and {len(test):,} test images")


def _read_labels(path: Path, origins: Origins) -> dict[int, str]:
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


def _read_solution(path: Path, classes: list[str], origins: Origins) -> dict[int, str]:
    table = read_table(path, origins.file(path))
    for label in set(table["label"]) - set(classes):
        raise InputError(f"{origins.file(path)}: the label {label!r} is not among the classes of trainLabels.csv")
    return dict(zip(table["id"].tolist(), table["label"].tolist(), strict=True))


def _match(
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
        raise InputError(f"{shown}: id {number} has a label, but {archive.shown} has no image {number}")
    ids = np.array(sorted(names), dtype=np.int64)
    class_of = {name: number for number, name in enumerate(classes)}
    numbers = [class_of[labels[number]] if number in labels else UNKNOWN for number in ids.tolist()]
    return ids, np.array(numbers, dtype=np.int64)


def _create_images(path: Path, count: int) -> UInt8[np.ndarray, "images 3 32 32"]:
    """A file of black images, mapped into memory."""
    shape = (count, 3, SIZE_PIXELS, SIZE_PIXELS)
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    reserve(path)
    return images


def _save(path: Path, array: Int64[np.ndarray, " images"]) -> None:
    """Write an array; numpy itself does not say of a write that failed that the disk was full."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    path.write_bytes(buffer.getvalue())


def _decode(
    archive: ImageArchive,
    members: Iterator[tuple[Member, bytes]],
    out: ImageSet,
    target: Path,
    resize: bool,
    origins: Origins,
) -> None:
    """Decode an archive into the images of `out`, rows sorted by id; write `<target>_labels.npy` and `_ids.npy`."""
    with tqdm(total=len(out), desc=f"prepare: {archive.path.name}", unit=" images", disable=None) as bar:
        for batch in _batches(members):
            rows = np.searchsorted(out.ids, [member.id for member, _ in batch])
            named = [(origins.image(archive.path, member), data) for member, data in batch]
            out.images[rows] = decode_images(named, resize)
            release_pages(out.images)
            bar.update(len(batch))
    _save(Path(f"{target}_labels.npy"), out.labels)
    _save(Path(f"{target}_ids.npy"), out.ids)


def _batches(members: Iterator[tuple[Member, bytes]]) -> Iterator[list[tuple[Member, bytes]]]:
    """Members in lists of BATCH_SIZE; of a damaged archive all that comes before the damage, then its error.

    So whatever is wrong, the first thing in the archive's order is what the user is told.
    """
    batch: list[tuple[Member, bytes]] = []
    damage = None
    try:
        for member in members:
            batch.append(member)
            if len(batch) == BATCH_SIZE:
                yield batch
                batch = []
    except InputError as error:
        damage = error
    if batch:
        yield batch
    if damage:
        raise damage


if __name__ == "__main__":
    run_stage(main)
