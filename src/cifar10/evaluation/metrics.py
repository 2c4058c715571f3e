"""How good predictions are: accuracy, macro F1, per class, and how far chance could have moved them."""

from typing import Any

import numpy as np
from jaxtyping import Int64
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

MIN_IMAGES_OF_CLASS = 10
"""With fewer images of a class, resampling them says nothing of how its F1 could have come out."""


def score(
    labels: Int64[np.ndarray, " images"], predictions: Int64[np.ndarray, " images"], classes: list[str]
) -> dict[str, Any]:
    """Accuracy, macro F1, the share of the largest class, and recall, precision and F1 of each class; all 0..1.

    Macro F1 is the plain mean over the classes that occur in `labels`, which are not to be empty: scikit-learn's
    `f1_score(labels, predictions, labels=np.unique(labels), average="macro")`. A class without images has no figures
    (NaN), and one that is never predicted has precision 0. `largest_class_share` is the accuracy of always naming the
    most frequent class.
    """
    figures = precision_recall_fscore_support(
        labels,
        predictions,
        labels=np.arange(len(classes)),
        zero_division=0.0,  # pyright: ignore[reportArgumentType]
    )
    precision, recall, f1, support = (np.asarray(figure) for figure in figures)
    occurs = support > 0
    precision, recall, f1 = (np.where(occurs, figure, np.nan) for figure in (precision, recall, f1))
    return {
        "accuracy": float(accuracy_score(labels, predictions)),
        "macro_f1": float(np.nanmean(f1)),
        "images": len(labels),
        "largest_class_share": float(support.max() / len(labels)),
        "per_class": {
            name: {
                "recall": float(recall[k]),
                "precision": float(precision[k]),
                "f1": float(f1[k]),
                "support": int(support[k]),
            }
            for k, name in enumerate(classes)
        },
    }


def classes_without_images(score: dict[str, Any]) -> list[str]:
    """The classes of which nothing was measured."""
    return [name for name, row in score["per_class"].items() if not row["support"]]


def count_confusions(
    labels: Int64[np.ndarray, " images"], predictions: Int64[np.ndarray, " images"], num_classes: int
) -> Int64[np.ndarray, "true predicted"]:
    """How many images of each class (rows) were taken for each class (columns)."""
    return confusion_matrix(labels, predictions, labels=np.arange(num_classes))


def accuracy_interval(correct: int, images: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927, https://doi.org/10.2307/2276953), which is good at 0 and 1 too."""
    interval = binomtest(correct, images).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def macro_f1_interval(
    counts: Int64[np.ndarray, "true predicted"], generator: np.random.Generator, resamples: int = 2000
) -> tuple[float, float] | None:
    """95 % interval of macro F1 by the bootstrap: the middle of its values over resampled images.

    Drawing as many images anew, with replacement, is one draw of a multinomial over the cells of the matrix.

    Returns:
        None where resampling would pretend to know: a class that occurs has fewer than `MIN_IMAGES_OF_CLASS` images,
        or all resamples are alike, as where every image is right.
    """
    occurs = counts.sum(axis=1) > 0
    if counts.sum(axis=1)[occurs].min() < MIN_IMAGES_OF_CLASS:
        return None
    images = counts.sum()
    drawn = generator.multinomial(images, counts.ravel() / images, size=resamples).reshape(resamples, *counts.shape)
    correct = np.diagonal(drawn, axis1=1, axis2=2)
    either = drawn.sum(axis=1) + drawn.sum(axis=2)  # twice the true positives, and both kinds of mistake
    f1 = 2 * correct / np.maximum(either, 1)
    low, high = np.quantile(f1[:, occurs].mean(axis=1), [0.025, 0.975])
    return (float(low), float(high)) if low < high else None
