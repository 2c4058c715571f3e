"""The page's charts, as SVG that takes its colours from the page, so that they read well in light and dark."""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from jaxtyping import Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from cifar10.evaluation.calibration import Bin

# Colours that stand for the page's own: `draw` puts the right-hand side in.
PALETTE = {
    "#010101": "currentColor",
    "#020202": "var(--accent)",
    "#030303": "var(--soft)",
    "#040404": "var(--line)",
    "#050505": "var(--paper)",
}
INK, ACCENT, SOFT, LINE, PAPER = PALETTE

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": LINE,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "legend.frameon": False,
    "lines.markersize": 4,
    "svg.fonttype": "none",  # text stays text: the page's font, sharp at any size
    "svg.hashsalt": "cifar10",  # the same figure, the same bytes
}
MAX_CLASSES_WITH_COUNTS = 20


def plot_curve(history: pd.DataFrame, quantity: str) -> Figure:
    """`loss`, `accuracy` or `lr` by epoch; training grey, validation coloured, a dashed line at the best epoch."""
    figure, panel = _figure(3.3, 2.7)
    lines = {"train": SOFT, "val": ACCENT} if quantity != "lr" else {"": ACCENT}
    for part, color in lines.items():
        column = f"{part}_{quantity}" if part else quantity
        if column in history:
            name = {"train": "training", "val": "validation"}.get(part)
            panel.plot(history["epoch"], history[column], ".-", color=color, label=name)
    best = best_epoch(history)
    if best and quantity != "lr":
        panel.axvline(best, color=INK, linestyle=(0, (3, 3)), linewidth=0.9, label="best epoch")
    panel.set(title="learning rate" if quantity == "lr" else quantity, xlabel="epoch")
    panel.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    if quantity != "lr":
        figure.legend(loc="outside lower center", ncols=3, fontsize=9, handlelength=1.5, columnspacing=1.2)
    return figure


def best_epoch(history: pd.DataFrame) -> int | None:
    """The (first) epoch with the highest validation accuracy."""
    return int(history["epoch"].iloc[history["val_accuracy"].argmax()]) if "val_accuracy" in history else None


def plot_f1(per_class: dict[str, dict[str, float]]) -> Figure:
    """A bar for each class, in the order of the classes from the top."""
    figure, panel = _figure(4.3, 0.7 + 0.28 * len(per_class))
    values = [row["f1"] for row in per_class.values()]
    bars = panel.barh(list(per_class), values, color=ACCENT, height=0.7)
    panel.bar_label(bars, [f"{value:.3f}" for value in values], padding=4, color=INK)
    panel.set(xlim=(0, 1.18), xlabel="F1", xticks=[0, 0.25, 0.5, 0.75, 1])
    panel.invert_yaxis()
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", labelcolor=INK, length=0)
    return figure


def plot_confusion(counts: Int64[np.ndarray, "true predicted"], classes: list[str]) -> Figure:
    """Heat map of counts: true class down, predicted class across, shaded by the share of the row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = max(4.3, 1.2 + 0.26 * len(classes))
    figure, panel = _figure(size, 0.92 * size)
    for (row, column), count in np.ndenumerate(counts):
        if not count:
            continue
        share = shares[row, column]
        corner = (column - 0.5, row - 0.5)
        panel.add_patch(Rectangle(corner, 1, 1, color=ACCENT, alpha=0.08 + 0.92 * share, linewidth=0))
        if len(classes) <= MAX_CLASSES_WITH_COUNTS:
            color = PAPER if share > 0.75 else INK
            panel.text(column, row, str(count), ha="center", va="center", color=color, fontsize=8.5)
    ticks = range(len(classes))
    panel.set_xticks(ticks, classes, rotation=45, ha="right", rotation_mode="anchor")
    panel.set_yticks(ticks, classes)
    panel.set(xlabel="predicted", ylabel="true", xlim=(-0.5, len(classes) - 0.5), ylim=(len(classes) - 0.5, -0.5))
    panel.tick_params(length=0, labelcolor=INK)
    panel.grid(visible=False)
    return figure


def plot_reliability(bins: list[Bin]) -> Figure:
    """Accuracy over confidence, a dot for each bin, as large as the bin is full; the diagonal is what is wanted."""
    figure, panel = _figure(4.3, 3.6)
    panel.plot([0, 1], [0, 1], color=SOFT, linestyle=(0, (3, 3)), linewidth=1)
    images = np.array([bin_.images for bin_ in bins])
    panel.plot([bin_.confidence for bin_ in bins], [bin_.accuracy for bin_ in bins], color=ACCENT, linewidth=1)
    panel.scatter(
        [bin_.confidence for bin_ in bins],
        [bin_.accuracy for bin_ in bins],
        s=20 + 180 * images / images.max(),
        color=ACCENT,
        alpha=0.7,
        linewidth=0,
        clip_on=False,
    )
    panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    return figure


def plot_class_counts(counts: dict[str, dict[str, int]]) -> Figure:
    """Stacked bars: how many images of each class a part has; `counts` is part -> class -> images."""
    classes = list(next(iter(counts.values())))
    figure, panel = _figure(4.3, 0.9 + 0.28 * len(classes))
    left = np.zeros(len(classes))
    for (part, per_class), color in zip(counts.items(), (SOFT, ACCENT), strict=True):
        panel.barh(classes, list(per_class.values()), left=left, color=color, height=0.7, label=part)
        left += list(per_class.values())
    panel.invert_yaxis()
    panel.set(xlabel="images")
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", labelcolor=INK, length=0)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def draw(name: str, plot: Callable[..., Figure], *arguments: Any) -> str:
    """What `plot` makes of the arguments as an `<svg>`; its ids begin with `name`, for a page has each once only."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        plot(*arguments).savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for stand_in, color in PALETTE.items():
        svg = svg.replace(stand_in, color)
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)


def _figure(width_inches: float, height_inches: float) -> tuple[Figure, Axes]:
    """Narrow on purpose: a phone shows the figure at nearly its own size, so its text stays readable."""
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    return figure, figure.subplots()
