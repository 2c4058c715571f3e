"""The competition's submission: one label for every id of `sampleSubmission.csv`, in its order."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from cifar10.core.config import InputError
from cifar10.core.tables import HEADER, read_table, write_csv


def write_submission(path: Path, labels_by_id: dict[int, str], sample: Path, classes: Collection[str]) -> None:
    """Write `id,label` rows for the ids of `sample`, in its order; nothing is written unless the table is valid.

    Raises:
        InputError: an id of `sample` has no prediction, or a predicted label is not among `classes`.
    """
    ids = read_table(sample)["id"]
    missing = ids[~ids.isin(list(labels_by_id))]
    if len(missing):
        raise InputError(f"{sample}: id {missing.iloc[0]} has no image in test.7z ({len(missing):,} such ids)")
    table = pd.DataFrame(dict(zip(HEADER, (ids, ids.map(labels_by_id)), strict=True)))
    _check(table, ids, sample, classes, path)
    write_csv(path, table)


def check_submission(table: pd.DataFrame, sample: Path, classes: Collection[str], path: Path) -> None:
    """Hold a submission against the sample: the same ids, in any order as Kaggle takes them, each with a known class.

    Raises:
        InputError: naming the file and the first row that is wrong.
    """
    _check(table, read_table(sample)["id"], sample, classes, path)


def _check(table: pd.DataFrame, expected: "pd.Series[int]", sample: Path, classes: Collection[str], path: Path) -> None:
    if len(table) != len(expected):
        raise InputError(f"{path}: {len(table):,} rows, {sample} has {len(expected):,}")
    foreign = table[~table["id"].isin(expected)]  # no id is there twice, so without one it has them all
    if len(foreign):
        raise InputError(f"{path}: row {foreign.index[0] + 1}: id {foreign['id'].iloc[0]} is not in {sample}")
    unknown = table[~table["label"].isin(list(classes))]
    if len(unknown):
        first = unknown.iloc[0]
        raise InputError(f"{path}: id {first['id']}: {first['label']!r} is not a class of this competition")
