"""The competition's files, written from images and labels that come from elsewhere."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from cifar10.core.tables import HEADER, write_csv
from cifar10.images.origins import ORIGINS, write_origins
from cifar10.images.seven_zip import write_7z

FILES = ("train.7z", "test.7z", "trainLabels.csv", "sampleSubmission.csv", "solution.csv", ORIGINS)


def write_labels(path: Path, ids: Iterable[int], labels: Iterable[str]) -> None:
    """An `id,label` file with the CRLF line ends of Kaggle's own."""
    write_csv(path, pd.DataFrame(dict(zip(HEADER, (list(ids), list(labels)), strict=True))), line_end="\r\n")


def write_sample_submission(out: Path, test_ids: Iterable[int], label: str) -> None:
    """The file that tells which ids a submission must hold, every label the same (Kaggle's own says `cat`)."""
    ids = sorted(test_ids)
    write_labels(out / "sampleSubmission.csv", ids, [label] * len(ids))


def write_competition(
    out: Path,
    train: Iterable[tuple[str, bytes]],
    train_labels: dict[int, str],
    test: Iterable[tuple[str, bytes]],
    test_ids: Iterable[int],
    test_labels: dict[int, str],
    compress: bool = False,
) -> None:
    """Write the six files from encoded images (`train/1.png`, bytes) and labels by id.

    `compress` runs the archives through LZMA as Kaggle does; off, they are stored, which is quicker and hardly larger.
    """
    write_7z(out / "train.7z", train, compress)
    write_7z(out / "test.7z", test, compress)
    write_labels(out / "trainLabels.csv", train_labels, train_labels.values())
    write_sample_submission(out, test_ids, label=min(train_labels.values()))
    write_labels(out / "solution.csv", test_labels, test_labels.values())
    write_origins(out)
