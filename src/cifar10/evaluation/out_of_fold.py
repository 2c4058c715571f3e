"""Predictions for images that a network has not learnt from.

With folds, each labelled image is predicted by the networks that were trained without it: out-of-fold predictions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from cifar10.core.config import InputError
from cifar10.data.dataset import UNKNOWN, ImageSet, PreparedData
from cifar10.models.ensemble import join, members_of

Predict = Callable[[nn.Module, ImageSet], Float[Tensor, "images classes"]]


@dataclass(frozen=True)
class Predictions:
    """Images and their logits, row by row."""

    images: ImageSet
    logits: Float[Tensor, "images classes"]  # of all networks that predict an image, as one
    by_member: list[Float[Tensor, "images classes"]]  # of each by itself; empty where there is one only


def predict_images(model: nn.Module, images: ImageSet, predict: Predict) -> Predictions:
    """The predictions of the whole model, and of each of its members."""
    members = members_of(model)
    by_member = [predict(member, images) for member in members] if len(members) > 1 else []
    return Predictions(images, predict(model, images), by_member)


def predict_test(model: nn.Module, data: PreparedData, predict: Predict) -> Predictions:
    """The test images whose labels are known."""
    return predict_images(model, data.test.select(np.flatnonzero(data.test.labels != UNKNOWN)), predict)


def predict_validation(model: nn.Module, data: PreparedData, predict: Predict) -> Predictions:
    """The validation part; with folds all labelled images, out of fold, in the order of their rows.

    With folds, `by_member[k]` is of the networks with the k-th seed, each on its own fold.

    Raises:
        InputError: the model was not trained on these folds.
    """
    parts = [predict_images(network, fold.val, predict) for network, fold in _networks_by_fold(model, data)]
    rows = np.concatenate([fold.val_rows for fold in data.folds])
    order = np.argsort(rows)
    return Predictions(
        images=data.labelled.select(rows[order]),
        logits=torch.cat([part.logits for part in parts])[order],
        by_member=[torch.cat(logits)[order] for logits in zip(*(part.by_member for part in parts), strict=True)],
    )


def predict_training(
    model: nn.Module, data: PreparedData, predict: Predict
) -> tuple[Int64[np.ndarray, " images"], Int64[np.ndarray, " images"]]:
    """Labels and predicted classes of the images that the model has learnt from.

    With folds an image is there once for each fold that its networks have learnt from.
    """
    labels: list[np.ndarray] = []
    predicted: list[np.ndarray] = []
    for network, fold in _networks_by_fold(model, data):
        images = fold.train
        labels.append(images.labels)
        predicted.append(predict(network, images).argmax(1).numpy())
    return np.concatenate(labels), np.concatenate(predicted)


def _networks_by_fold(model: nn.Module, data: PreparedData) -> Iterator[tuple[nn.Module, PreparedData]]:
    """Each fold with the networks that were trained without it, as one; without folds, the model and the data."""
    folds, members = data.folds, members_of(model)
    if len(members) % len(folds):
        raise InputError(f"a model of {len(members)} networks for {len(folds)} folds; `dvc repro train` makes it anew")
    seeds = len(members) // len(folds)
    for k, fold in enumerate(folds):
        yield join(members[k * seeds : (k + 1) * seeds]), fold


def member_figures(predictions: Predictions) -> dict[str, float]:
    """What averaging gains: mean and standard deviation of the members' accuracies, and what the whole has above it.

    All 0..1; empty where a single network predicts each image.
    """
    if not predictions.by_member:
        return {}
    labels = torch.from_numpy(predictions.images.labels)
    whole, *alone = [
        (logits.argmax(1) == labels).double().mean().item() for logits in (predictions.logits, *predictions.by_member)
    ]
    return {"member_accuracy": fmean(alone), "member_accuracy_sd": stdev(alone), "gain": whole - fmean(alone)}
