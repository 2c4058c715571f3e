import numpy as np
import pytest

from cifar10.metrics import score

CLASSES = ["a", "b", "c"]
#                  a  a  a  a  b  b  b  c
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 0, 0])


def test_by_hand():
    """a: 3 of 4 found, 3 of 5 right; b: 2 of 3 found, 2 of 3 right; c: never found, never said."""
    result = score(LABELS, PREDICTED, CLASSES)
    assert result["images"] == 8
    assert result["accuracy"] == 5 / 8
    assert result["per_class"]["a"] == pytest.approx(
        {"precision": 3 / 5, "recall": 3 / 4, "f1": 2 / 3, "accuracy": 5 / 8, "support": 4}
    )
    assert result["per_class"]["b"] == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "accuracy": 6 / 8, "support": 3}
    )
    assert result["per_class"]["c"] == {"precision": 0, "recall": 0, "f1": 0, "accuracy": 7 / 8, "support": 1}
    assert result["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_a_class_that_does_not_occur_still_counts():
    result = score(np.array([0, 1]), np.array([0, 1]), CLASSES)
    assert result["macro_f1"] == pytest.approx(2 / 3)
    assert result["per_class"]["c"]["support"] == 0


def test_all_right_is_one():
    result = score(LABELS, LABELS, CLASSES)
    assert result["accuracy"] == result["macro_f1"] == 1
