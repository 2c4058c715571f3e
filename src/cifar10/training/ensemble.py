"""The members of an ensemble: what each learns from and with which seed, and the history of all of them as one."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean

from cifar10.data.dataset import PreparedData
from cifar10.training.history import EpochResult
from cifar10.training.trainer import TrainConfig


@dataclass(frozen=True)
class Member:
    """One network: its images, its recipe, and its name among the others, which is empty where there are none."""

    data: PreparedData
    config: TrainConfig
    name: str


def plan_members(data: PreparedData, config: TrainConfig, seeds: int) -> list[Member]:
    """Fold after fold, `seeds` members each; without folds they share the one split.

    Their seeds are `seed * seeds` and the next ones, so runs of several seeds have no member in common.
    """
    folds = data.folds
    total = len(folds) * seeds
    members: list[Member] = []
    for fold, part in enumerate(folds):
        for seed in range(config.seed * seeds, (config.seed + 1) * seeds):
            place = f"fold {fold + 1}/{len(folds)}, seed {seed}" if len(folds) > 1 else f"seed {seed}"
            name = f"member {len(members) + 1}/{total} ({place})" if total > 1 else ""
            members.append(Member(part, config.model_copy(update={"seed": seed}), name))
    return members


def mean_history(histories: Sequence[list[EpochResult]]) -> list[EpochResult]:
    """Epoch by epoch the mean over the members; of the seconds the sum."""
    return [_mean_epoch(epochs) for epochs in zip(*histories, strict=True)]


def _mean_epoch(members: Sequence[EpochResult]) -> EpochResult:
    rows = [asdict(member) for member in members]
    mean = EpochResult(**{**{key: fmean(row[key] for row in rows) for key in rows[0]}, "epoch": members[0].epoch})
    seconds = math.fsum(member.seconds for member in members)
    images = math.fsum(member.seconds * member.images_per_second for member in members)
    return replace(mean, seconds=seconds, images_per_second=images / seconds)
