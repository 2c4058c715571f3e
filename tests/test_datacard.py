import dataclasses
import hashlib

import numpy as np

from cifar10.datacard import describe, duplicate_groups
from cifar10.dataset import PreparedData


def test_equal_pixels_share_a_group():
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
    images[4] = images[1]
    images[5] = images[1]
    images[3, 2, 31, 31] ^= 1  # one bit from nothing else
    groups = duplicate_groups(images)
    assert groups[1] == groups[4] == groups[5]
    assert len(set(groups.tolist())) == 4


def test_digests_that_end_in_zero_bytes_stay_apart():
    """numpy's fixed-length strings would drop trailing zeros; 3,000 digests are bound to hold a few."""
    images = np.zeros((3000, 3, 32, 32), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(3000) % 256, np.arange(3000) // 256
    assert len(set(duplicate_groups(images).tolist())) == 3000


def test_the_card_counts(tiny_data: PreparedData):
    groups = np.arange(len(tiny_data.labelled))
    groups[[0, 3]] = 100  # ids 1 and 4, both green
    groups[[1, 2]] = 101  # ids 2 and 3, of different classes
    card = describe(tiny_data, groups)
    assert card["train"]["images"] + card["validation"]["images"] == 48
    assert sum(card["train"]["per_class"].values()) == 38
    assert card["test"] == {"images": 12, "labelled": 12}
    assert card["exact_duplicates"] == {
        "groups": 2,
        "images": 4,
        "groups_with_different_labels": 1,
        "ids": [[1, 4], [2, 3]],
    }


def test_the_checksum_covers_ids_labels_and_pixels(tiny_data: PreparedData):
    groups = np.arange(len(tiny_data.labelled))
    part = tiny_data.labelled
    expected = hashlib.sha256(part.ids.tobytes() + part.labels.tobytes() + part.images.tobytes()).hexdigest()
    assert describe(tiny_data, groups)["sha256"]["labelled"] == expected
    changed = dataclasses.replace(part, labels=part.labels[::-1].copy())
    other = describe(dataclasses.replace(tiny_data, labelled=changed), groups)
    assert other["sha256"]["labelled"] != expected
