"""The seeded split into training and validation, and into folds."""

import numpy as np
from jaxtyping import Bool, Int64

from cifar10.core.config import InputError

Labels = Int64[np.ndarray, " images"]
Groups = Int64[np.ndarray, " images"]
Side = Bool[np.ndarray, " images"]


def split_rows(
    labels: Labels, exact: Groups, near: Groups, val_fraction: float, seed: int
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " val"]]:
    """Split rows into training and validation, stratified by label; rows of one group stay on one side.

    `exact` numbers groups of images with the same pixels, `near` groups of near-duplicates. First scikit-learn draws
    whole `exact` groups, stratified by label. Then each `near` group that the draw cut is put together on the side
    where most of it is, and in exchange other images of the class change sides, so that every class keeps its share to
    within the size of one group. Without near-duplicates the second step changes nothing.

    Returns:
        Ascending row numbers of the two sides: disjoint, together all rows. A fraction of 0 leaves the second empty.

    Raises:
        InputError: too few images for the fraction.
    """
    from sklearn.model_selection import train_test_split  # a second, in which `prepare` unpacks images already

    rows = np.arange(len(labels))
    if val_fraction == 0:
        return rows, rows[:0]
    group_numbers, first_rows, group_of_row = np.unique(exact, return_index=True, return_inverse=True)
    try:
        _, val_groups = train_test_split(
            np.arange(len(group_numbers)), test_size=val_fraction, stratify=labels[first_rows], random_state=seed
        )
    except ValueError as error:
        raise InputError(f"data.val_fraction: {val_fraction} cannot split {len(rows)} images: {error}") from None
    drawn = np.isin(group_of_row, val_groups)
    in_val = _unite(labels, near, drawn, np.random.Generator(np.random.PCG64(seed)))
    if in_val.all() or not in_val.any():
        alike = "near-duplicates connect too many of them"
        raise InputError(f"data.val_fraction: {val_fraction} cannot split {len(rows)} images: {alike}")
    return rows[~in_val], rows[in_val]


def separate_rows(
    ids: Int64[np.ndarray, " images"], val_ids: list[int]
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " val"]]:
    """The user's own validation part: ascending rows of all other images, and of those with the ids `val_ids`."""
    in_val = np.isin(ids, val_ids)
    return np.flatnonzero(~in_val), np.flatnonzero(in_val)


def _unite(labels: Labels, groups: Groups, drawn: Side, generator: np.random.Generator) -> Side:
    """Put every group where most of its rows are (into training if undecided); then restore each class's numbers.

    For that, whole groups of one label change sides in random order, most of which are single images.
    """
    _, first_rows, group_of_row, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    group_in_val = 2 * np.bincount(group_of_row, weights=drawn) > sizes
    one_label = np.bincount(group_of_row, weights=labels != labels[first_rows][group_of_row]) == 0
    for label in np.unique(labels):
        of_class = labels == label
        surplus = int(group_in_val[group_of_row][of_class].sum()) - int(drawn[of_class].sum())
        movable = one_label & (labels[first_rows] == label) & (group_in_val == (surplus > 0))
        missing = abs(surplus)
        for group in generator.permutation(np.flatnonzero(movable)):
            if sizes[group] <= missing:
                group_in_val[group] = surplus < 0
                missing -= sizes[group]
    return group_in_val[group_of_row]


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
