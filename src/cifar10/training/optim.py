"""Optimizers, and learning-rate schedules as pure functions of the step."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from cifar10.core.config import Config, one_of
from cifar10.training.muon import Muon


def sgd(groups: list[dict], lr: float, config: "OptimizerConfig", fused: bool) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum (Nesterov's form if asked for)."""
    nesterov = config.nesterov and config.momentum > 0  # torch refuses Nesterov without momentum
    return torch.optim.SGD(groups, lr=lr, momentum=config.momentum, nesterov=nesterov, fused=fused)


def adam(groups: list[dict], lr: float, config: "OptimizerConfig", fused: bool) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980); weight decay is added to the gradient."""
    return torch.optim.Adam(groups, lr=lr, betas=(config.betas[0], config.betas[1]), fused=fused)


def adamw(groups: list[dict], lr: float, config: "OptimizerConfig", fused: bool) -> torch.optim.Optimizer:
    """Adam with the weight decay apart from the gradient (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101)."""
    return torch.optim.AdamW(groups, lr=lr, betas=(config.betas[0], config.betas[1]), fused=fused)


def rmsprop(groups: list[dict], lr: float, config: "OptimizerConfig", fused: bool) -> torch.optim.Optimizer:
    """Gradient over a running root mean square (Hinton's lecture 6e, 2012), with momentum; alpha is betas[1]."""
    return torch.optim.RMSprop(groups, lr=lr, alpha=config.betas[1], momentum=config.momentum)


def muon(groups: list[dict], lr: float, config: "OptimizerConfig", fused: bool) -> torch.optim.Optimizer:
    """Momentum with orthogonalised updates of the kernels: for trainings of a few epochs."""
    return Muon(groups, lr=lr, momentum=config.momentum)


OPTIMIZERS: dict[str, Callable[[list[dict], float, "OptimizerConfig", bool], torch.optim.Optimizer]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
    "rmsprop": rmsprop,
    "muon": muon,
}


class OptimizerConfig(Config):
    """The section `optimizer`."""

    name: Annotated[str, one_of(OPTIMIZERS)]
    """A key of OPTIMIZERS."""
    momentum: Annotated[float, Field(ge=0, lt=1)]
    """sgd, rmsprop, muon: share of the last update that carries on. 0: off."""
    nesterov: bool
    """sgd: look ahead along the momentum before taking the gradient."""
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    """adam, adamw: decay of the running mean of the gradient and of its square."""
    weight_decay: Annotated[float, Field(ge=0)]
    """L2 penalty on the weights of convolutions and linear layers. 0: off."""
    norm_bias_weight_decay: Annotated[float, Field(ge=0)]
    """L2 penalty on batch-norm scales and on all biases. 0: off."""
    norm_bias_lr_factor: Annotated[float, Field(gt=0)]
    """How many times `lr` is the rate of batch-norm scales and of all biases. 1: the same."""


def build_optimizer(model: nn.Module, lr: float, config: OptimizerConfig) -> torch.optim.Optimizer:
    """An optimizer with two parameter groups: weights (matrices and kernels), and norms with biases (vectors)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay, "lr_factor": 1.0},
        {
            "params": [p for p in parameters if p.ndim <= 1],
            "weight_decay": config.norm_bias_weight_decay,
            "lr_factor": config.norm_bias_lr_factor,
        },
    ]
    return OPTIMIZERS[config.name](groups, lr, config, parameters[0].is_cuda)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Use `lr`, times the group's own factor, from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_factor"]


@dataclass(frozen=True)
class Progress:
    """How far a run has come: all that a schedule may depend on."""

    step: int  # 0 .. total_steps - 1
    total_steps: int
    steps_per_epoch: int
    losses: Sequence[float] = ()  # of the epochs that are over, those that `schedule.monitor` names

    @property
    def epoch(self) -> int:
        """Epochs that are over."""
        return self.step // self.steps_per_epoch


# A schedule gives the factor on the peak rate.
Schedule = Callable[[Progress, "ScheduleConfig"], float]


def constant(progress: Progress, config: "ScheduleConfig") -> float:
    """The peak rate throughout."""
    return 1.0


def multistep(progress: Progress, config: "ScheduleConfig") -> float:
    """Times `gamma` after each of `milestones_epochs`."""
    return config.gamma ** bisect_right(config.milestones_epochs, progress.epoch)


def piecewise(progress: Progress, config: "ScheduleConfig") -> float:
    """1 until the first of `milestones_epochs`, then the factor in `factors` that belongs to it."""
    passed = bisect_right(config.milestones_epochs, progress.epoch)
    return config.factors[passed - 1] if passed else 1.0


def cosine(progress: Progress, config: "ScheduleConfig") -> float:
    """Half a cosine from 1 down to 0 at the end (Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983)."""
    return _cosine_between(1.0, 0.0, progress.step / progress.total_steps)


def linear(progress: Progress, config: "ScheduleConfig") -> float:
    """From 1 in a straight line down to `min_factor` at the end."""
    return 1.0 - (1.0 - config.min_factor) * progress.step / progress.total_steps


def onecycle(progress: Progress, config: "ScheduleConfig") -> float:
    """Up from 1/25 to 1 in the warm-up, then down to 1/250,000, both along half a cosine.

    Smith and Topin 2018, https://arxiv.org/abs/1708.07120; the numbers are those of `torch.optim.lr_scheduler.
    OneCycleLR`, whose momentum cycle is left out.
    """
    start, end = 1 / 25, 1 / 25 / 1e4
    peak_step = config.warmup_fraction * progress.total_steps - 1
    if progress.step <= peak_step:
        return _cosine_between(start, 1.0, progress.step / peak_step if peak_step > 0 else 1.0)
    return _cosine_between(1.0, end, (progress.step - peak_step) / (progress.total_steps - 1 - peak_step))


def plateau(progress: Progress, config: "ScheduleConfig") -> float:
    """Times `gamma` whenever the loss has not fallen by 0.01 % for more than `patience_epochs`.

    `torch.optim.lr_scheduler.ReduceLROnPlateau` as a function of the losses so far.
    """
    factor, best, bad_epochs = 1.0, math.inf, 0
    for loss in progress.losses:
        better = loss < best * (1 - 1e-4)
        best, bad_epochs = (loss, 0) if better else (best, bad_epochs + 1)
        if bad_epochs > config.patience_epochs:
            factor, bad_epochs = max(factor * config.gamma, config.min_factor), 0
    return factor


def _cosine_between(first: float, last: float, progress: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "multistep": multistep,
    "piecewise": piecewise,
    "cosine": cosine,
    "linear": linear,
    "onecycle": onecycle,
    "plateau": plateau,
}


class ScheduleConfig(Config):
    """The section `schedule`."""

    name: Annotated[str, one_of(SCHEDULES)]
    """A key of SCHEDULES."""
    warmup_epochs: Annotated[float, Field(ge=0)]
    """All: epochs in which the rate rises in a straight line to what the schedule says. 0: off."""
    milestones_epochs: list[Annotated[int, Field(ge=1)]]
    """multistep, piecewise: ascending epochs after which the rate changes."""
    gamma: Annotated[float, Field(gt=0, le=1)]
    """multistep, plateau: the factor at each change."""
    factors: list[Annotated[float, Field(gt=0)]]
    """piecewise: the factor on `lr` after each of `milestones_epochs`, one for each."""
    monitor: Literal["val_loss", "train_loss"]
    """plateau: the loss that it goes by, a column of the history."""
    patience_epochs: Annotated[int, Field(ge=0)]
    """plateau: epochs without progress that are let pass."""
    min_factor: Annotated[float, Field(ge=0, le=1)]
    """linear: the factor at the end; plateau: the factor does not go below this. 0: down to nothing, no limit."""
    warmup_fraction: Annotated[float, Field(gt=0, lt=1)]
    """onecycle: share of all steps in which the rate rises to its peak."""

    @model_validator(mode="after")
    def _check_milestones(self) -> "ScheduleConfig":
        if self.milestones_epochs != sorted(set(self.milestones_epochs)):
            raise ValueError("milestones_epochs must ascend")
        if self.name == "piecewise" and len(self.factors) != len(self.milestones_epochs):
            raise ValueError("piecewise needs as many factors as milestones_epochs")
        return self


def learning_rate(peak: float, progress: Progress, config: ScheduleConfig) -> float:
    """The rate that the optimizer uses at a step."""
    warmup_steps = config.warmup_epochs * progress.steps_per_epoch
    warmup = min(1.0, (progress.step + 1) / warmup_steps) if warmup_steps else 1.0
    return peak * warmup * SCHEDULES[config.name](progress, config)
