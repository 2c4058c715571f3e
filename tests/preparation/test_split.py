import numpy as np
import pytest

from cifar10.core.config import InputError
from cifar10.preparation.split import number_folds, split_rows

LABELS = np.repeat(np.arange(10), 60)
ALONE = np.arange(600)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 1 / 3, 0.5])
def test_disjoint_exhaustive_stratified(fraction):
    train, val = split_rows(LABELS, ALONE, ALONE, fraction, seed=0)
    assert sorted([*train, *val]) == list(range(600))
    assert (np.bincount(LABELS[val]) == 60 * fraction).all()
    assert (np.diff(train) > 0).all()
    assert (np.diff(val) > 0).all()


def test_the_seed_decides():
    first, again, other = (split_rows(LABELS, ALONE, ALONE, 0.2, seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_zero_trains_on_everything():
    train, val = split_rows(LABELS, ALONE, ALONE, 0.0, seed=0)
    assert train.tolist() == list(range(600))
    assert val.tolist() == []


@pytest.mark.parametrize("seed", range(5))
def test_duplicates_stay_on_one_side(seed):
    groups = np.random.default_rng(seed).integers(0, 300, 600)
    train, val = split_rows(LABELS, groups, groups, 0.25, seed)
    assert not set(groups[train]) & set(groups[val])
    assert sorted([*train, *val]) == list(range(600))


@pytest.mark.parametrize(
    ("labels", "fraction"),
    [(np.array([0, 0, 0, 1]), 0.5), (np.arange(2).repeat(2), 0.01), (np.arange(10).repeat(2), 0.95)],
    ids=["one-of-a-class", "fewer-than-classes", "train-too-small"],
)
def test_too_few_images_is_one_line(labels, fraction):
    with pytest.raises(InputError, match=r"^data\.val_fraction: .* cannot split \d+ images: "):
        split_rows(labels, np.arange(len(labels)), np.arange(len(labels)), fraction, seed=0)


def test_near_duplicates_follow_the_larger_side_and_the_sizes_stay():
    """By hand: what the draw leaves, a group of three cut 2 to 1, a pair cut 1 to 1, and one that is not cut."""
    drawn = np.isin(ALONE, split_rows(LABELS, ALONE, ALONE, 0.25, seed=3)[1])
    of_class = [np.flatnonzero((LABELS == 4) & side) for side in (~drawn, drawn)]
    near = ALONE.copy()
    mostly_val, tied, whole = [*of_class[1][:2], of_class[0][0]], [of_class[0][1], of_class[1][2]], of_class[1][3:6]
    for number, group in enumerate((mostly_val, tied, whole)):
        near[group] = 1000 + number
    in_val = np.isin(ALONE, split_rows(LABELS, ALONE, near, 0.25, seed=3)[1])
    assert in_val[mostly_val].all()
    assert not in_val[tied].any()
    assert in_val[whole].all()
    assert (in_val == drawn)[LABELS != 4].all()
    assert in_val.sum() == drawn.sum()
    assert (in_val != drawn).sum() == 2


@pytest.mark.parametrize("seed", range(5))
def test_no_group_straddles_and_the_classes_keep_their_shares(seed):
    """Groups across classes, exact duplicates within them, and enough images alone."""
    draws = np.random.default_rng(seed)
    near = ALONE.copy()
    near[draws.permutation(600)[:200]] = 600 + draws.integers(0, 60, 200)
    exact = np.where(near < 600, ALONE, near * 2 + ALONE % 2)
    rows = split_rows(LABELS, exact, near, 0.25, seed)
    assert not set(near[rows[0]]) & set(near[rows[1]])
    assert sorted([*rows[0], *rows[1]]) == list(range(600))
    drawn = split_rows(LABELS, exact, exact, 0.25, seed)[1]
    assert (np.bincount(LABELS[rows[1]]) == np.bincount(LABELS[drawn])).all()
    assert (rows[1] == split_rows(LABELS, exact, near, 0.25, seed)[1]).all()


def test_pairs_change_places_where_no_image_is_alone():
    near = ALONE // 2
    train, val = split_rows(LABELS, ALONE, near, 0.25, seed=0)
    assert not set(near[train]) & set(near[val])
    assert (abs(np.bincount(LABELS[val]) - 15) <= 1).all()


def test_images_that_are_all_alike_cannot_be_split():
    with pytest.raises(InputError, match=r"0\.25 cannot split 600 images: near-duplicates connect too many of them$"):
        split_rows(LABELS, ALONE, np.zeros(600, np.int64), 0.25, seed=0)


def test_folds_are_equal_stratified_and_seeded():
    numbers, again, other = (number_folds(LABELS, ALONE, 5, seed) for seed in (0, 0, 1))
    for fold in range(5):
        assert (np.bincount(LABELS[numbers == fold]) == 12).all()
    assert (numbers == again).all()
    assert (numbers != other).any()


def test_duplicates_share_a_fold():
    groups = np.random.default_rng(0).integers(0, 300, 600)
    numbers = number_folds(LABELS, groups, 3, seed=0)
    assert set(numbers) == {0, 1, 2}
    for group in set(groups):
        assert len(set(numbers[groups == group])) == 1


def test_more_folds_than_images_of_a_class_is_one_line():
    labels, groups = np.array([0, 0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 3, 4, 5, 5])
    with pytest.raises(InputError, match=r"^ensemble\.folds: 3 are too many: one class has 2 different images$"):
        number_folds(labels, groups, 3, seed=0)
