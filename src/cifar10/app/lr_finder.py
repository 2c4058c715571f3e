"""Learning-rate range test: raise the rate step by step until the loss blows up, and see where it fell fastest.

Smith 2017, https://arxiv.org/abs/1506.01186, with the exponential ramp and the smoothed loss of fastai's finder.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy.signal import savgol_filter
from tqdm import tqdm

from cifar10.core.config import InputError
from cifar10.data.batches import BatchLoader
from cifar10.data.dataset import PreparedData
from cifar10.engine.reproducibility import derive_seed
from cifar10.training.loop import step
from cifar10.training.trainer import TrainConfig, Trainer

SMOOTHING = 0.9  # share of the running mean that stays at each step
WINDOW_DECADES = 1.5  # of the rate, over which a line is drawn through the losses
BLOWN_UP = 4.0  # the test ends where the smoothed loss is this many times its lowest value


def range_test(
    data: PreparedData, config: TrainConfig, steps: int = 100, lowest: float = 1e-5, highest: float = 10.0
) -> pd.DataFrame:
    """Train a fresh network of `config` for up to `steps` batches, the rate rising from `lowest` to `highest`.

    The ramp replaces the recipe's schedule; augmentation, loss, optimizer and precision are as in training.

    Returns:
        One row for each step: `lr`, `loss` of the batch, and `smoothed`, its running mean without start-up bias.

    Raises:
        InputError: too few steps were finite to see anything.
    """
    trainer = Trainer(data, config)
    trainer.ddp_model.train()
    batches = _batches(trainer.loader, config.seed)
    rows: list[tuple[float, float, float]] = []
    running = 0.0
    rates = np.geomspace(lowest, highest, steps).tolist()
    for number, lr in enumerate(tqdm(rates, desc="find-lr", unit="step", disable=None)):
        images, labels = next(batches)
        loss_sum, _ = step(trainer, images, labels, lr, derive_seed(config.seed, 0, number))

        value = loss_sum.item() / len(images)
        running = SMOOTHING * running + (1 - SMOOTHING) * value
        smoothed = running / (1 - SMOOTHING ** (number + 1))
        if not math.isfinite(value) or (rows and smoothed > BLOWN_UP * min(row[2] for row in rows)):
            break
        rows.append((lr, value, smoothed))
    if len(rows) < steps // 4:
        raise InputError(f"the loss blew up after {len(rows)} steps, at a rate of {rates[len(rows)]:.1e}; start lower")
    return pd.DataFrame(rows, columns=["lr", "loss", "smoothed"])


def suggest_lr(curve: pd.DataFrame) -> float:
    """The rate at which the loss falls fastest, by the logarithm of the rate, before its lowest point.

    Level and slope at each rate are those of a straight line through the losses of the batches around it. A running
    mean follows the loss by ten steps and begins with the noise of a single batch, which can look like the steepest
    fall of all; a line through 25 batches does neither.

    Raises:
        InputError: the loss falls nowhere.
    """
    decades = np.log10(curve["lr"].to_numpy())
    step, losses = decades[1] - decades[0], curve["loss"].to_numpy()
    window = min(max(3, round(WINDOW_DECADES / step) // 2 * 2 + 1), (len(losses) - 1) // 2 * 2 + 1)  # odd
    levels, slopes = (np.asarray(savgol_filter(losses, window, polyorder=1, deriv=order)) for order in (0, 1))
    falling = slopes[: levels.argmin() + 1]
    if len(falling) < 3 or falling.min() >= 0:
        raise InputError("the loss only rose; start lower with --lowest")
    return float(curve["lr"].iloc[falling.argmin()])


def plot_curve(curve: pd.DataFrame, suggested: float) -> Figure:
    """Loss over the rate, on a logarithmic axis, with the suggestion marked."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    panel = figure.subplots()
    panel.semilogx(curve["lr"], curve["loss"], color="#bbbbbb", linewidth=0.8, label="of each batch")
    panel.semilogx(curve["lr"], curve["smoothed"], color="#1f77b4", label="running mean")
    panel.axvline(suggested, color="#d62728", linestyle="--", label=f"suggested: {suggested:.2g}")
    panel.set(xlabel="learning rate", ylabel="training loss", ylim=(0, 1.5 * curve["smoothed"].iloc[0]))
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
    return figure


def _batches(loader: BatchLoader, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches without end, every epoch in an order of its own."""
    for epoch in itertools.count():
        yield from loader.epoch(torch.Generator().manual_seed(derive_seed(seed, epoch)))
