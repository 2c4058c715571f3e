"""What was measured, as figures and tables."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from cifar10.core.config import Config
from cifar10.core.files import atomic_write
from cifar10.core.tables import write_csv
from cifar10.data.dataset import ImageSet
from cifar10.evaluation.metrics import classes_without_images, score
from cifar10.evaluation.out_of_fold import Predictions, member_figures

# The figures in metrics.json, in the order in which DVC shows them; the rest is in the tables.
HEADLINE = ("accuracy", "macro_f1", "images", "largest_class_share", "member_accuracy", "member_accuracy_sd", "gain")
MAX_NAMES = 5


class EvaluateConfig(Config):
    """The section `evaluate`."""

    training_accuracy: bool
    """Whether the training images are measured too, as they are and with the final weights."""


@dataclass(frozen=True)
class Measured:
    """A part whose labels are known, and how well it was predicted."""

    images: ImageSet
    logits: Float[Tensor, "images classes"]  # on the CPU
    score: dict[str, Any]  # as `metrics.score` returns it; of an ensemble, with `out_of_fold.member_figures`


def measure(predictions: Predictions, classes: list[str]) -> Measured:
    """Hold predictions against the labels."""
    figures = score(predictions.images.labels, predictions.logits.argmax(1).numpy(), classes)
    return Measured(predictions.images, predictions.logits, {**figures, **member_figures(predictions)})


def format_score(score: dict[str, Any]) -> str:
    """The figures as one line, with what they have to be held against."""
    parts = [f"accuracy {score['accuracy']:.4f}, macro F1 {score['macro_f1']:.4f}"]
    if "gain" in score:
        alone = f"{score['member_accuracy']:.4f} ± {score['member_accuracy_sd']:.4f}"
        parts.append(f"a member alone {alone}, gain {100 * score['gain']:+.2f} points")
    parts.append(f"always the largest class {score['largest_class_share']:.4f}")
    if missing := classes_without_images(score):
        parts.append(f"no image of {format_names(missing)}, so F1 is the mean over the others")
    return "; ".join(parts)


def format_names(names: list[str]) -> str:
    """The first names, quoted, and how many there are beyond."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(f'"{name}"' for name in names[:MAX_NAMES]) + more


def write_metrics(path: Path, scores: dict[str, dict[str, Any]]) -> None:
    """Write the headline of each part."""
    headline = {name: {key: score[key] for key in HEADLINE if key in score} for name, score in scores.items()}
    atomic_write(path, json.dumps(headline, indent=2) + "\n")


def write_predictions(path: Path, predictions: Predictions, classes: list[str]) -> None:
    """Write a row for each image: id, label, predicted class, and its probability."""
    images, logits = predictions.images, predictions.logits
    table: dict[str, Any] = dict.fromkeys(("id", "label", "predicted", "confidence"), ())
    if len(images):
        names = np.array(classes, dtype=object)
        confidence, predicted = logits.double().softmax(1).max(1)
        table["id"], table["label"] = images.ids, names[images.labels]
        table["predicted"], table["confidence"] = names[predicted.numpy()], confidence.numpy().round(6)
    write_csv(path, pd.DataFrame(table))


def write_per_class(path: Path, measured: Measured | None) -> None:
    """Write a row for each class; recall is what is also called the accuracy of a class."""
    per_class = measured.score["per_class"] if measured else {}
    rows = [{"class": name, **figures} for name, figures in per_class.items()]
    write_csv(path, pd.DataFrame(rows, columns=["class", "recall", "precision", "f1", "support"]))
