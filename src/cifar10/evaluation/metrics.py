"""How good predictions are: accuracy, macro F1, per class, and how far chance could have moved them."""

import math
from typing import Any

import numpy as np
from jaxtyping import Int64
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support


def score(
    labels: Int64[np.ndarray, " images"], predictions: Int64[np.ndarray, " images"], classes: list[str]
) -> dict[str, Any]:
    """Accuracy, macro F1 (the plain mean over classes) and the four figures of each class, all 0..1.

    `per_class[name]["accuracy"]` is the share of all images that the class is told apart on (one against the rest).
    A figure whose denominator is zero is 0.
    """
    numbers = np.arange(len(classes))
    figures = precision_recall_fscore_support(
        labels,
        predictions,
        labels=numbers,
        zero_division=0.0,  # pyright: ignore[reportArgumentType]
    )
    precision, recall, f1, support = (np.asarray(figure) for figure in figures)
    return {
        "images": len(labels),
        "accuracy": float(accuracy_score(labels, predictions)),
        "macro_f1": float(np.mean(f1)),
        "per_class": {
            name: {
                "precision": float(precision[k]),
                "recall": float(recall[k]),
                "f1": float(f1[k]),
                "accuracy": float(np.mean((labels == k) == (predictions == k))),
                "support": int(support[k]),
            }
            for k, name in enumerate(classes)
        },
    }


def count_confusions(
    labels: Int64[np.ndarray, " images"], predictions: Int64[np.ndarray, " images"], num_classes: int
) -> Int64[np.ndarray, "true predicted"]:
    """How many images of each class (rows) were taken for each class (columns)."""
    return confusion_matrix(labels, predictions, labels=np.arange(num_classes))


def accuracy_interval(right: int, images: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927, https://doi.org/10.2307/2276953), which is good at 0 and 1 too."""
    z = 1.959963984540054  # the normal distribution's 97.5 % point
    share = right / images
    centre = share + z**2 / (2 * images)
    half_width = z * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    scale = 1 + z**2 / images
    return (centre - half_width) / scale, (centre + half_width) / scale


def macro_f1_interval(
    counts: Int64[np.ndarray, "true predicted"], generator: np.random.Generator, resamples: int = 2000
) -> tuple[float, float]:
    """95 % interval of macro F1 by the bootstrap: the middle of its values over resampled images.

    Drawing as many images anew, with replacement, is one draw of a multinomial over the cells of the matrix.
    """
    images = counts.sum()
    drawn = generator.multinomial(images, counts.ravel() / images, size=resamples).reshape(resamples, *counts.shape)
    right = np.diagonal(drawn, axis1=1, axis2=2)
    either = drawn.sum(axis=1) + drawn.sum(axis=2)  # twice the true positives, and both kinds of mistake
    f1 = 2 * right / np.maximum(either, 1)
    low, high = np.quantile(f1.mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
