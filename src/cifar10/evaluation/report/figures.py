"""The page's charts, as SVG that takes its colours from the page, so that they read well in light and dark.

Names of classes are a user's text: they are drawn as they are, never taken for mathematics or markup.
"""

import io
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
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
from cifar10.evaluation.metrics import accuracy_interval

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
    "text.parse_math": False,  # a class may have dollar signs in its name
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
MAX_NAME_COLUMNS = 22  # of a class beside a chart; a Chinese character takes two
LEAST_SPAN = 0.05  # of an axis: of the loss as a share of it, of accuracy as it is


def plot_curve(history: pd.DataFrame, quantity: str) -> Figure:
    """`loss`, `accuracy` or `lr` by epoch, with a dashed line at the best epoch.

    Training is grey and validation coloured; of the learning rate the highest of each epoch is grey, where the history
    has it, and the last coloured.
    """
    figure, panel = _figure(3.3, 2.7)
    lines = {f"train_{quantity}": ("training", SOFT), f"val_{quantity}": ("validation", ACCENT)}
    if quantity == "lr":
        lines = {"max_lr": ("highest", SOFT), "lr": ("at the end of the epoch", ACCENT)}
    columns, alone = [column for column in lines if column in history], len(history) == 1
    for column in columns:
        name, color = lines[column]
        panel.plot(history["epoch"], history[column], ".-", color=color, label=name, markersize=10 if alone else 4)
    best = best_epoch(history)
    if best and quantity != "lr" and not alone:
        panel.axvline(best, color=INK, linestyle=(0, (3, 3)), linewidth=0.9, label="best epoch")
    panel.set(title="learning rate" if quantity == "lr" else quantity, xlabel="epoch")
    panel.set_ylim(*_limits(history[columns].to_numpy(float), quantity))
    panel.yaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    if alone:
        epoch = int(history["epoch"].iloc[0])
        panel.set(xlim=(epoch - 1, epoch + 1), xticks=[epoch])
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, handlelength=1.5, columnspacing=1.2)
    return figure


def _limits(values: np.ndarray, quantity: str) -> tuple[float, float]:
    """Limits of an axis that keep noise small: from 0 for a learning rate, else `LEAST_SPAN` apart at least."""
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if quantity == "lr":
        return 0.0, 1.1 * high or 1.0
    least = LEAST_SPAN * (1.0 if quantity == "accuracy" else abs(high) or 1.0)
    middle, half = (low + high) / 2, 0.55 * max(high - low, least)
    return middle - half, middle + half


def best_epoch(history: pd.DataFrame) -> int | None:
    """The (first) epoch with the highest validation accuracy."""
    return int(history["epoch"].iloc[history["val_accuracy"].argmax()]) if "val_accuracy" in history else None


def short_names(names: Sequence[str]) -> list[str]:
    """Names that a chart has room for, all different: a long one loses its middle, equal ones are numbered."""
    short = [_shorten(name) for name in names]
    counts = Counter(short)
    return [name if counts[name] == 1 else f"{name} ({k + 1})" for k, name in enumerate(short)]


def _shorten(name: str) -> str:
    half = (MAX_NAME_COLUMNS - 1) // 2
    return name if _columns(name) <= MAX_NAME_COLUMNS else f"{_head(name, half)}…{_head(name[::-1], half)[::-1]}"


def _head(text: str, columns: int) -> str:
    """The beginning of a text, as far as it fits."""
    return next(text[:end] for end in range(len(text), -1, -1) if _columns(text[:end]) <= columns)


def _columns(text: str) -> int:
    """How wide a text is: East Asian characters and emoji are twice as wide as Latin ones."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def plot_f1(names: Sequence[str], values: Sequence[float]) -> Figure:
    """A bar for each class, in the order of the classes from the top; a dash where there is no figure (NaN)."""
    figure, panel = _figure(4.3, 0.7 + 0.28 * len(names))
    bars = panel.barh(range(len(names)), np.nan_to_num(values), color=ACCENT, height=0.7)
    panel.bar_label(bars, ["—" if np.isnan(value) else f"{value:.3f}" for value in values], padding=4, color=INK)
    panel.set(xlim=(0, 1.18), xlabel="F1", xticks=[0, 0.25, 0.5, 0.75, 1])
    _name_rows(panel, names)
    return figure


def plot_confusion(counts: Int64[np.ndarray, "true predicted"], names: Sequence[str]) -> Figure:
    """Heat map of counts: true class down, predicted class across, shaded by the share of the row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    crowded = len(names) > MAX_CLASSES_WITH_COUNTS
    size = 1.4 + 0.15 * len(names) if crowded else max(4.3, 1.2 + 0.26 * len(names))
    figure, panel = _figure(size, 0.92 * size if not crowded else size)
    for row, column in zip(*np.nonzero(counts), strict=True):
        share = shares[row, column]
        corner = (column - 0.5, row - 0.5)
        panel.add_patch(Rectangle(corner, 1, 1, color=ACCENT, alpha=0.08 + 0.92 * share, linewidth=0))
        if not crowded:
            color = PAPER if share > 0.75 else INK
            panel.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=8.5)
    ticks, fontsize = range(len(names)), 7.5 if crowded else 10
    rotation = 90 if crowded else 45
    panel.set_xticks(ticks, names, rotation=rotation, ha="right", va="center" if crowded else "top", fontsize=fontsize)
    for label in panel.get_xticklabels():
        label.set_rotation_mode("anchor")
    panel.set_yticks(ticks, names, fontsize=fontsize)
    panel.set(xlabel="predicted", ylabel="true", xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5))
    panel.tick_params(length=0, labelcolor=INK)
    panel.grid(visible=crowded)
    return figure


def plot_reliability(bins: list[Bin]) -> Figure:
    """Accuracy over confidence, a dot for each bin, as large as the bin is full; the diagonal is what is wanted.

    The line through a dot is the 95 % interval of its accuracy: long where the bin has few images.
    """
    figure, panel = _figure(4.3, 3.6)
    panel.plot([0, 1], [0, 1], color=SOFT, linestyle=(0, (3, 3)), linewidth=1)
    images = np.array([bin_.images for bin_ in bins])
    confidence, accuracy = ([getattr(bin_, key) for bin_ in bins] for key in ("confidence", "accuracy"))
    low, high = zip(*(accuracy_interval(round(bin_.accuracy * bin_.images), bin_.images) for bin_ in bins), strict=True)
    panel.vlines(confidence, low, high, color=ACCENT, linewidth=1.2, alpha=0.6)
    sizes = 20 + 180 * images / images.max()
    panel.scatter(confidence, accuracy, s=sizes, color=ACCENT, alpha=0.7, linewidth=0, clip_on=False)
    panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    return figure


def plot_class_counts(names: Sequence[str], counts: dict[str, list[int]], most: int) -> Figure:
    """Stacked bars: how many images of each class each part has; the axis goes to `most`, for charts side by side."""
    figure, panel = _figure(4.3, 0.9 + 0.28 * len(names))
    left = np.zeros(len(names))
    for (part, images), color in zip(counts.items(), (SOFT, ACCENT), strict=True):
        panel.barh(range(len(names)), images, left=left, color=color, height=0.7, label=part)
        left += images
    panel.set(xlabel="images", xlim=(0, 1.05 * max(most, 1)))
    _name_rows(panel, names)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    panel.xaxis.set_major_formatter("{x:,.0f}")
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def draw(name: str, plot: Callable[..., Figure], *arguments: Any) -> str:
    """What `plot` makes of the arguments as an `<svg>`; its ids begin with `name`, for a page has each once only."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's fonts draw the text, not ours
        plot(*arguments).savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = re.sub(r"<!--.*?-->\n?", "", buffer.getvalue(), flags=re.DOTALL)  # matplotlib repeats each text in one
    return re.sub(r"<[^>]*>", lambda tag: _adopt(tag[0], name), svg[svg.index("<svg") :])


def _adopt(tag: str, name: str) -> str:
    """A tag of matplotlib's with the page's colours, and ids of its own; what stands between tags is a user's text."""
    for stand_in, color in PALETTE.items():
        tag = tag.replace(stand_in, color)
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", tag)


def _name_rows(panel: Axes, names: Sequence[str]) -> None:
    """Names at horizontal bars, the first on top."""
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", labelcolor=INK, length=0)


def _figure(width_inches: float, height_inches: float) -> tuple[Figure, Axes]:
    """Narrow on purpose: a phone shows the figure at nearly its own size, so its text stays readable."""
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    return figure, figure.subplots()
