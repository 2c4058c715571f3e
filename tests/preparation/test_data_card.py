import dataclasses
import hashlib

import numpy as np

from cifar10.data.dataset import PreparedData
from cifar10.preparation.data_card import describe


def test_the_card_counts(tiny_data: PreparedData):
    exact = np.arange(len(tiny_data.labelled))
    exact[[0, 3]] = 100  # ids 1 and 4, both green
    near = exact.copy()
    near[[1, 2]] = 101  # ids 2 and 3, of different classes
    card = describe(tiny_data, exact, near)
    assert card["train"]["images"] + card["validation"]["images"] == 48
    assert sum(card["train"]["per_class"].values()) == 38
    assert card["test"] == {"images": 12, "labelled": 12}
    assert card["exact_duplicates"] == {
        "groups": 1,
        "images": 2,
        "groups_with_different_labels": 0,
        "ids": [[1, 4]],
        "different_labels": [],
    }
    assert card["near_duplicates"] == {
        "correlation_above": 0.98,
        "groups": 2,
        "images": 4,
        "groups_with_different_labels": 1,
        "ids": [[1, 4], [2, 3]],
        "different_labels": [{"2": "red", "3": "blue"}],
    }


def test_the_checksum_covers_ids_labels_and_pixels(tiny_data: PreparedData):
    alone = np.arange(len(tiny_data.labelled))
    part = tiny_data.labelled
    expected = hashlib.sha256(part.ids.tobytes() + part.labels.tobytes() + part.images.tobytes()).hexdigest()
    assert describe(tiny_data, alone, alone)["sha256"]["labelled"] == expected
    changed = dataclasses.replace(part, labels=part.labels[::-1].copy())
    other = describe(dataclasses.replace(tiny_data, labelled=changed), alone, alone)
    assert other["sha256"]["labelled"] != expected
