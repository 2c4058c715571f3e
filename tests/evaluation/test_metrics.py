import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import f1_score

from cifar10.evaluation.metrics import (
    accuracy_interval,
    classes_without_images,
    count_confusions,
    macro_f1_interval,
    score,
)

CLASSES = ["a", "b", "c"]
#                  a  a  a  a  b  b  b  c
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 1, 0, 0])


def test_by_hand():
    """a: 3 of 4 found, 3 of 5 right; b: 2 of 3 found, 2 of 3 right; c: never found, never said."""
    result = score(LABELS, PREDICTED, CLASSES)
    assert result["images"] == 8
    assert result["accuracy"] == 5 / 8
    assert result["largest_class_share"] == 4 / 8
    assert result["per_class"]["a"] == pytest.approx({"recall": 3 / 4, "precision": 3 / 5, "f1": 2 / 3, "support": 4})
    assert result["per_class"]["b"] == pytest.approx({"recall": 2 / 3, "precision": 2 / 3, "f1": 2 / 3, "support": 3})
    assert result["per_class"]["c"] == {"recall": 0, "precision": 0, "f1": 0, "support": 1}
    assert result["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize("predicted", [0, 3])
def test_a_class_without_images_does_not_count(predicted):
    """57 of 60 images are of the first class and all are named so: F1 is 2 * 0.95 / 1.95 for it and 0 for two more.

    Also where one of them is taken for the class without images.
    """
    labels = np.array([0] * 57 + [1, 1, 2])
    predictions = np.array([0] * 59 + [predicted])
    result = score(labels, predictions, [*CLASSES, "d"])
    assert result["macro_f1"] == pytest.approx(f1_score(labels, predictions, labels=[0, 1, 2], average="macro"))
    if not predicted:
        assert result["macro_f1"] == pytest.approx(0.3248, abs=5e-5)
    assert classes_without_images(result) == ["d"]
    row = result["per_class"]["d"]
    assert row["support"] == 0
    assert np.isnan([row["recall"], row["precision"], row["f1"]]).all()
    guess = DummyClassifier(strategy="most_frequent").fit(labels[:, None], labels)
    assert result["largest_class_share"] == guess.score(labels[:, None], labels) == 0.95


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
    interval = macro_f1_interval(count_confusions(labels, predicted, 3), np.random.default_rng(0))
    generator = np.random.default_rng(1)
    drawn = [generator.integers(60, size=60) for _ in range(2000)]
    scores = [f1_score(labels[rows], predicted[rows], average="macro") for rows in drawn]
    assert interval == pytest.approx(tuple(np.quantile(scores, [0.025, 0.975])), abs=0.02)


def test_the_bootstrap_repeats_itself():
    counts = 5 * count_confusions(LABELS, PREDICTED, 3)[:2]
    counts = np.vstack([counts, [0, 0, 0]])  # a class without images is no reason to give no interval
    first, again = (macro_f1_interval(counts, np.random.default_rng(7)) for _ in range(2))
    assert first == again
    assert first
    assert first[0] < first[1]


@pytest.mark.parametrize(
    "counts",
    [
        [[57, 0, 0], [2, 0, 0], [1, 0, 0]],  # three images decide two thirds of the mean
        [[30, 5, 0], [4, 26, 0], [1, 2, 6]],  # nine images of a class
        [[30, 0, 0], [0, 30, 0], [0, 0, 30]],  # all resamples are alike
    ],
)
def test_no_interval_where_it_would_pretend(counts):
    assert macro_f1_interval(np.array(counts), np.random.default_rng(0)) is None
