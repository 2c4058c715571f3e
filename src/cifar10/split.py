"""The seeded split into training and validation, and into folds."""

import numpy as np
from jaxtyping import Int64

from cifar10.config import InputError


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
    from sklearn.model_selection import train_test_split  # a second, in which `prepare` unpacks images already

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


def number_folds(
    labels: Int64[np.ndarray, " images"], groups: Int64[np.ndarray, " images"], folds: int, seed: int
) -> Int64[np.ndarray, " images"]:
    """Deal rows into folds of the same size, stratified by label; rows of one group (see `split_rows`) share a fold.

    Returns:
        For each row the fold that it belongs to: 0 .. folds - 1.

    Raises:
        InputError: a class has fewer images than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold

    _, first_rows, group_of_row = np.unique(groups, return_index=True, return_inverse=True)
    rarest = int(np.bincount(labels[first_rows]).min())
    if rarest < folds:
        raise InputError(f"ensemble.folds: {folds} are too many: one class has {rarest} different images")
    fold_of_group = np.empty(len(first_rows), dtype=np.int64)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(first_rows, labels[first_rows])
    for number, (_, held_out) in enumerate(parts):
        fold_of_group[held_out] = number
    return fold_of_group[group_of_row]
