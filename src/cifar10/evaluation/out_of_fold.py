"""What a model says of images that it has not learnt from, as one and by its members.

Where the data have folds, the networks that held a fold out judge its images, and no others do: out-of-fold
predictions, one for each labelled image.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cifar10.core.config import InputError
from cifar10.data.dataset import ImageSet, PreparedData
from cifar10.models.ensemble import join, members_of

Predict = Callable[[nn.Module, ImageSet], Float[Tensor, "images classes"]]


@dataclass(frozen=True)
class Judged:
    """Images and what was said of them, row by row."""

    images: ImageSet
    logits: Float[Tensor, "images classes"]  # of all networks that judge an image, as one
    by_member: list[Float[Tensor, "images classes"]]  # of each by itself; empty where there is one only


def judge(model: nn.Module, images: ImageSet, predict: Predict) -> Judged:
    """What all members say of images that none has learnt from."""
    members = members_of(model)
    alone = [predict(member, images) for member in members] if len(members) > 1 else []
    return Judged(images, predict(model, images), alone)


def judge_validation(model: nn.Module, data: PreparedData, predict: Predict) -> Judged:
    """What is said of the validation part, or out of fold of all labelled images, in the order of their rows.

    The first of `by_member` are then the networks with the first seed, each on its fold; and so on.

    Raises:
        InputError: the model was not trained on these folds.
    """
    folds, members = data.folds, members_of(model)
    if len(members) % len(folds):
        raise InputError(f"a model of {len(members)} networks for {len(folds)} folds; `dvc repro train` makes it anew")
    seeds = len(members) // len(folds)
    groups = [join(members[k * seeds : (k + 1) * seeds]) for k in range(len(folds))]
    parts = [judge(group, fold.val, predict) for group, fold in zip(groups, folds, strict=True)]
    rows = np.concatenate([fold.val_rows for fold in folds])
    order = np.argsort(rows)
    return Judged(
        images=data.labelled.select(rows[order]),
        logits=torch.cat([part.logits for part in parts])[order],
        by_member=[torch.cat(logits)[order] for logits in zip(*(part.by_member for part in parts), strict=True)],
    )


def member_figures(judged: Judged) -> dict[str, float]:
    """What averaging gains: mean and standard deviation of the members' accuracies, and what the whole has above it.

    All 0..1; nothing where one network alone judges each image.
    """
    if not judged.by_member:
        return {}
    labels = torch.from_numpy(judged.images.labels)
    whole, *alone = [
        (logits.argmax(1) == labels).double().mean().item() for logits in (judged.logits, *judged.by_member)
    ]
    return {"member_accuracy": fmean(alone), "member_accuracy_sd": stdev(alone), "gain": whole - fmean(alone)}
