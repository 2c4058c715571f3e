import numpy as np
import pytest
from sklearn.metrics import f1_score

from cifar10.evaluation.metrics import accuracy_interval, count_confusions, macro_f1_interval, score

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


def test_confusions_have_truth_in_rows():
    assert count_confusions(LABELS, PREDICTED, 3).tolist() == [[3, 1, 0], [1, 2, 0], [1, 0, 0]]


def test_wilson_by_hand():
    """With z = 1.96: (0.9 + z^2/20 -+ z sqrt(0.09/10 + z^2/400)) / (1 + z^2/10)."""
    assert accuracy_interval(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    low, high = accuracy_interval(10, 10)
    assert low == pytest.approx(0.7225, abs=1e-4)
    assert high == pytest.approx(1)


def test_the_bootstrap_equals_one_over_the_images_themselves():
    labels = np.arange(60) % 3
    predicted = np.where(np.arange(60) % 5 == 0, (labels + 1) % 3, labels)
    low, high = macro_f1_interval(count_confusions(labels, predicted, 3), np.random.default_rng(0))
    generator = np.random.default_rng(1)
    drawn = [generator.integers(60, size=60) for _ in range(2000)]
    scores = [f1_score(labels[rows], predicted[rows], average="macro") for rows in drawn]
    assert (low, high) == pytest.approx(tuple(np.quantile(scores, [0.025, 0.975])), abs=0.02)


def test_the_bootstrap_repeats_itself():
    counts = count_confusions(LABELS, PREDICTED, 3)
    first, again = (macro_f1_interval(counts, np.random.default_rng(7)) for _ in range(2))
    assert first == again
