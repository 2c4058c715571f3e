"""Optimizers, and learning-rate schedules as pure functions of the step."""

import math
from bisect import bisect_right
from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from cifar10.config import Config, one_of


def sgd(groups: list[dict], lr: float, config: "OptimizerConfig", fused: bool) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum (Nesterov's form if asked for)."""
    nesterov = config.nesterov and config.momentum > 0  # torch refuses Nesterov without momentum
    return torch.optim.SGD(groups, lr=lr, momentum=config.momentum, nesterov=nesterov, fused=fused)


OPTIMIZERS: dict[str, Callable[[list[dict], float, "OptimizerConfig", bool], torch.optim.Optimizer]] = {"sgd": sgd}


class OptimizerConfig(Config):
    """The section `optimizer`."""

    name: Annotated[str, one_of(OPTIMIZERS)]
    """A key of OPTIMIZERS."""
    momentum: Annotated[float, Field(ge=0, lt=1)]
    """Share of the last update that carries on. 0: off."""
    nesterov: bool
    """Look ahead along the momentum before taking the gradient."""
    weight_decay: Annotated[float, Field(ge=0)]
    """L2 penalty on the weights of convolutions and linear layers. 0: off."""
    norm_bias_weight_decay: Annotated[float, Field(ge=0)]
    """L2 penalty on batch-norm scales and on all biases. 0: off."""


def build_optimizer(model: nn.Module, lr: float, config: OptimizerConfig) -> torch.optim.Optimizer:
    """An optimizer with two parameter groups: weights (matrices and kernels), and norms with biases (vectors)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": config.norm_bias_weight_decay},
    ]
    return OPTIMIZERS[config.name](groups, lr, config, parameters[0].is_cuda)


# A schedule gives the factor on the peak rate at a step (0 .. total_steps - 1) of a run.
Schedule = Callable[[int, int, int, "ScheduleConfig"], float]


def constant(step: int, total_steps: int, steps_per_epoch: int, config: "ScheduleConfig") -> float:
    """The peak rate throughout."""
    return 1.0


def multistep(step: int, total_steps: int, steps_per_epoch: int, config: "ScheduleConfig") -> float:
    """Times `gamma` after each of `milestones_epochs`."""
    return config.gamma ** bisect_right(config.milestones_epochs, step // steps_per_epoch)


def cosine(step: int, total_steps: int, steps_per_epoch: int, config: "ScheduleConfig") -> float:
    """Half a cosine from 1 down to 0 at the end (Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983)."""
    return _cosine_between(1.0, 0.0, step / total_steps)


def onecycle(step: int, total_steps: int, steps_per_epoch: int, config: "ScheduleConfig") -> float:
    """Up from 1/25 to 1 in the warm-up, then down to 1/250,000, both along half a cosine.

    Smith and Topin 2018, https://arxiv.org/abs/1708.07120; the numbers are those of `torch.optim.lr_scheduler.
    OneCycleLR`, whose momentum cycle is left out.
    """
    start, end = 1 / 25, 1 / 25 / 1e4
    peak_step = config.warmup_fraction * total_steps - 1
    if step <= peak_step:
        return _cosine_between(start, 1.0, step / peak_step if peak_step > 0 else 1.0)
    return _cosine_between(1.0, end, (step - peak_step) / (total_steps - 1 - peak_step))


def _cosine_between(first: float, last: float, progress: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "multistep": multistep,
    "cosine": cosine,
    "onecycle": onecycle,
}


class ScheduleConfig(Config):
    """The section `schedule`."""

    name: Annotated[str, one_of(SCHEDULES)]
    """A key of SCHEDULES."""
    milestones_epochs: list[Annotated[int, Field(ge=1)]]
    """multistep: ascending epochs after which the rate is multiplied by `gamma`."""
    gamma: Annotated[float, Field(gt=0, le=1)]
    """multistep: the factor."""
    warmup_fraction: Annotated[float, Field(gt=0, lt=1)]
    """onecycle: share of all steps in which the rate rises to its peak."""


def learning_rate(peak: float, step: int, total_steps: int, steps_per_epoch: int, config: ScheduleConfig) -> float:
    """The rate that the optimizer uses at `step`."""
    return peak * SCHEDULES[config.name](step, total_steps, steps_per_epoch, config)
