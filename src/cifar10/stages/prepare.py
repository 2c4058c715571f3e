"""prepare: archives -> arrays, a split, a data card; every image is decoded once, from memory."""

import json
from pathlib import Path

from cifar10.core.config import DataConfig, EnsembleConfig, load_config
from cifar10.core.files import atomic_folder, atomic_write, tell_disk_full
from cifar10.core.stage import run_stage
from cifar10.data.dataset import FOLDS, ImageSet, PreparedData, channel_statistics, write_description
from cifar10.images.archives import open_images
from cifar10.images.codec import SIZE_PIXELS
from cifar10.images.origins import read_origins
from cifar10.preparation.arrays import create_images, decode_archive, save_array
from cifar10.preparation.data_card import describe
from cifar10.preparation.duplicates import exact_groups, near_groups
from cifar10.preparation.labels import match_labels, read_labels, read_solution
from cifar10.preparation.split import number_folds, separate_rows, split_rows


def main(raw: Path, prepared: Path, card: Path) -> None:
    """Read the files of `raw`; write the folder `prepared` (see `dataset.PreparedData`) and the data card."""
    config, folds = load_config(DataConfig, section="data"), load_config(EnsembleConfig, section="ensemble").folds
    origins = read_origins(raw, config.path or "")
    train_table, solution_table, train_7z, test_7z = (
        raw / name for name in ("trainLabels.csv", "solution.csv", "train.7z", "test.7z")
    )
    # --- labels ---
    with origins.hint():
        labels = read_labels(train_table, origins)
        classes = sorted(set(labels.values()))
        solution = read_solution(solution_table, classes, origins)
        test_archive = open_images(test_7z, origins.file(test_7z))
    with atomic_folder(prepared) as folder, test_archive.read() as test_members:  # what takes longest begins first
        with origins.hint():
            train_archive = open_images(train_7z, origins.file(train_7z))
            train_ids, train_labels = match_labels(train_archive, train_table, labels, classes, origins)
            test_ids, test_labels = match_labels(test_archive, solution_table, solution, classes, origins)

        # --- pixels of the labelled images ---
        with tell_disk_full(prepared, (len(train_ids) + len(test_ids)) * 3 * SIZE_PIXELS**2):  # before minutes of work
            labelled_images = create_images(folder / "labelled_images.npy", len(train_ids))
            test_images = create_images(folder / "test_images.npy", len(test_ids))
        labelled, test = (
            ImageSet(labelled_images, train_labels, train_ids),
            ImageSet(test_images, test_labels, test_ids),
        )
        with origins.hint(), train_archive.read() as train_members:
            decode_archive(train_archive, train_members, labelled, folder / "labelled", config.resize, origins)

        # --- split: images that are nearly alike stay together ---
        exact = exact_groups(labelled.images)
        near = near_groups(labelled.images, exact)
        val_fraction = 0.0 if folds else config.val_fraction
        if origins.validation_ids and val_fraction:  # the user's own validation part
            train_rows, val_rows = separate_rows(labelled.ids, origins.validation_ids)
        else:
            train_rows, val_rows = split_rows(labelled.labels, exact, near, val_fraction, config.split_seed)
        if folds:
            save_array(folder / FOLDS, number_folds(labelled.labels, near, folds, config.split_seed))
        save_array(folder / "train_rows.npy", train_rows)
        save_array(folder / "val_rows.npy", val_rows)
        mean, std = channel_statistics(labelled.images, train_rows)

        # --- pixels of the test images ---
        with origins.hint():
            decode_archive(test_archive, test_members, test, folder / "test", config.resize, origins)

        # --- description and data card ---
        write_description(folder, classes, *(config.normalization or (mean, std)))
        data = PreparedData(labelled, test, train_rows, val_rows, classes, mean, std)
        atomic_write(card, json.dumps(describe(data, exact, near), indent=2) + "\n")
    print(f"prepare: {len(train_rows):,} training, {len(val_rows):,} validation and {len(test):,} test images")


if __name__ == "__main__":
    run_stage(main)
