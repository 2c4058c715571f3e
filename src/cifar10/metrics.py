"""How good predictions are: accuracy, macro F1, per class."""

from typing import Any

import numpy as np
from jaxtyping import Int64
from sklearn.metrics import accuracy_score, precision_recall_fscore_support


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
