import numpy as np
import pytest

from cifar10.config import InputError
from cifar10.split import split_rows

LABELS = np.repeat(np.arange(10), 60)
ALONE = np.arange(600)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 1 / 3, 0.5])
def test_disjoint_exhaustive_stratified(fraction):
    train, val = split_rows(LABELS, ALONE, fraction, seed=0)
    assert sorted([*train, *val]) == list(range(600))
    assert (np.bincount(LABELS[val]) == 60 * fraction).all()
    assert (np.diff(train) > 0).all()
    assert (np.diff(val) > 0).all()


def test_the_seed_decides():
    first, again, other = (split_rows(LABELS, ALONE, 0.2, seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_zero_trains_on_everything():
    train, val = split_rows(LABELS, ALONE, 0.0, seed=0)
    assert train.tolist() == list(range(600))
    assert val.tolist() == []


@pytest.mark.parametrize("seed", range(5))
def test_duplicates_stay_on_one_side(seed):
    groups = np.random.default_rng(seed).integers(0, 300, 600)
    train, val = split_rows(LABELS, groups, 0.25, seed)
    assert not set(groups[train]) & set(groups[val])
    assert sorted([*train, *val]) == list(range(600))


@pytest.mark.parametrize(
    ("labels", "fraction"),
    [(np.array([0, 0, 0, 1]), 0.5), (np.arange(2).repeat(2), 0.01), (np.arange(10).repeat(2), 0.95)],
    ids=["one-of-a-class", "fewer-than-classes", "train-too-small"],
)
def test_too_few_images_is_one_line(labels, fraction):
    with pytest.raises(InputError, match=r"^data\.val_fraction: .* cannot split \d+ images: "):
        split_rows(labels, np.arange(len(labels)), fraction, seed=0)
