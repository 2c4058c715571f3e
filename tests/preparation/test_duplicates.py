import numpy as np
import pytest

from cifar10.preparation import duplicates
from cifar10.preparation.duplicates import candidate_pairs, correlations, exact_groups, near_groups, sketches


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


def smooth(count: int, seed: int = 0) -> np.ndarray:
    """Pictures of four by four patches, some of which resemble each other."""
    patches = np.random.default_rng(seed).choice(np.array([40, 60, 200], np.uint8), (count, 3, 4, 4))
    return patches.repeat(8, axis=2).repeat(8, axis=3)


def altered(images: np.ndarray, scale: float, shift: float, spread: float) -> np.ndarray:
    """The pictures with another contrast and brightness, and noise."""
    added = np.random.default_rng(1).normal(shift, spread, images.shape)
    return (images * scale + added).clip(0, 255).astype(np.uint8)


def planted() -> np.ndarray:
    """400 images of which the last 160 are copies of others, from exact to unrecognisable."""
    originals = np.concatenate([noise(120), smooth(120)])
    ways = (
        (1.0, 0, 0),
        (0.7, 30, 0),
        (0.9, 5, 4),
        (0.9, 5, 9),
        (0.8, 0, 12),
        (0.8, 0, 14),
        (0.8, 0, 17),
        (0.5, 60, 30),
    )
    copies = [altered(originals[20 * i : 20 * (i + 1)], *way) for i, way in enumerate(ways)]
    return np.concatenate([originals, *copies])


def reference(images: np.ndarray) -> np.ndarray:
    return np.asarray(np.corrcoef(images.reshape(len(images), -1).astype(np.float64)))


def test_equal_pixels_share_a_group():
    images = noise(6)
    images[4] = images[1]
    images[5] = images[1]
    images[3, 2, 31, 31] ^= 1  # one bit from nothing else
    groups = exact_groups(images)
    assert groups[1] == groups[4] == groups[5]
    assert len(set(groups.tolist())) == 4


def test_digests_that_end_in_zero_bytes_stay_apart():
    """numpy's fixed-length strings would drop trailing zeros; 3,000 digests are bound to hold a few."""
    images = np.zeros((3000, 3, 32, 32), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(3000) % 256, np.arange(3000) // 256
    assert len(set(exact_groups(images).tolist())) == 3000


def test_correlations_are_pearsons():
    images = planted()
    pairs = np.argwhere(np.triu(np.ones((400, 400), bool), 1))[::97]
    assert correlations(images, pairs) == pytest.approx(reference(images)[tuple(pairs.T)], abs=1e-12)


def test_no_pair_above_the_limit_is_missed(monkeypatch):
    """Against all pairs by brute force, with blocks that do not divide the number of images."""
    monkeypatch.setattr(duplicates, "ROWS_AT_ONCE", 77)
    images = planted()
    found = {tuple(pair) for pairs in candidate_pairs(sketches(images, np.arange(400))) for pair in pairs.tolist()}
    expected = {tuple(pair) for pair in np.argwhere(np.triu(reference(images) > 0.98, 1)).tolist()}
    assert len(expected) > 90
    assert expected <= found
    assert len(found) < 400 * 399 / 20


@pytest.mark.parametrize("at_once", [3, 2048])
def test_groups_are_the_connected_components(monkeypatch, at_once):
    monkeypatch.setattr(duplicates, "PAIRS_AT_ONCE", at_once)
    images = planted()
    images = images[np.random.default_rng(2).permutation(len(images))]
    connected = reference(images) > 0.98
    for _ in range(9):  # paths of up to 512 steps
        connected = connected.astype(np.int64) @ connected > 0
    groups = near_groups(images, exact_groups(images))
    assert ((groups[:, None] == groups) == connected).all()
    assert 100 < len(set(groups.tolist())) < 350


def test_a_chain_is_one_group_and_numbers_stay():
    """The ends of the chain are not alike, but each is like the middle."""
    images = noise(5)
    images[3] = altered(images[1:2], 1, 0, 10)[0]
    images[2] = (images[1] / 2 + images[3] / 2).round()
    groups = near_groups(images, np.array([4, 1, 2, 3, 0]))
    correlation = reference(images)
    assert correlation[1, 3] < correlation[1, 2]
    assert groups.tolist() == [4, 1, 1, 1, 0]


def test_images_of_one_colour_are_alike_only_if_equal():
    images = np.zeros((5, 3, 32, 32), dtype=np.uint8)
    images[1:3] = 9
    images[3, 0, 0, 0] = 1
    images[4] = noise(1)
    groups = near_groups(images, exact_groups(images))
    assert groups[1] == groups[2]
    assert len(set(groups.tolist())) == 4
    assert correlations(images, np.array([[0, 1], [0, 4], [3, 4]]))[:2].tolist() == [0, 0]


def test_two_images_that_are_one_with_other_brightness():
    images = noise(3)
    images[2] = images[0] // 2 + 100
    assert near_groups(images, np.array([0, 1, 2])).tolist() == [0, 1, 0]
