"""The report: one page that needs no network and no other file. The only module that uses matplotlib."""

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cifar10.files import atomic_write
from cifar10.models import ModelConfig

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
TRAIN_COLOR, VAL_COLOR = "#7f7f7f", "#1f77b4"


def write_report(
    path: Path,
    metrics: dict[str, Any],
    history: pd.DataFrame,
    predictions: pd.DataFrame,
    classes: list[str],
    model: ModelConfig,
) -> None:
    """Write the page. The same inputs give the same bytes: it holds no time and no place.

    Args:
        metrics: part name -> `metrics.score` of it; the first part is the one shown class by class.
        history: one row for each epoch (`reports/train/history.csv`).
        predictions: columns `id`, `label`, `predicted`, `confidence` of the first part.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cifar10", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    with mpl.rc_context(STYLE):
        page = environment.get_template("report.html.j2").render(
            metrics=metrics,
            model=model,
            epochs=len(history),
            curves=_picture(plot_curves(history)),
            confusion=_picture(plot_confusion(predictions, classes)) if len(predictions) else None,
            mistakes=worst_confusions(predictions),
        )
    atomic_write(path, page)


def plot_curves(history: pd.DataFrame) -> Figure:
    """Loss, accuracy and learning rate by epoch, side by side."""
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    panels = figure.subplots(1, 3)
    for panel, quantity in zip(panels, ("loss", "accuracy"), strict=False):
        for part, color in (("train", TRAIN_COLOR), ("val", VAL_COLOR)):
            if f"{part}_{quantity}" in history:
                panel.plot(history["epoch"], history[f"{part}_{quantity}"], ".-", color=color, label=part)
        panel.set(title=quantity, xlabel="epoch")
        panel.legend(frameon=False)
    panels[2].plot(history["epoch"], history["lr"], ".-", color=TRAIN_COLOR)
    panels[2].set(title="learning rate", xlabel="epoch")
    for panel in panels:
        panel.xaxis.get_major_locator().set_params(integer=True)
    return figure


def plot_confusion(predictions: pd.DataFrame, classes: list[str]) -> Figure:
    """Heat map of counts: true class down, predicted class across, shaded by the share of the row."""
    counts = (
        pd.crosstab(predictions["label"], predictions["predicted"])
        .reindex(index=classes, columns=classes, fill_value=0)
        .to_numpy()
    )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6, 5.4), layout="constrained")
    panel = figure.subplots()
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    panel.grid(visible=False)
    ticks = range(len(classes))
    panel.set_xticks(ticks, classes, rotation=45, ha="right")
    panel.set_yticks(ticks, classes)
    panel.set(xlabel="predicted", ylabel="true")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if shares[row, column] > 0.5 else "black"
            panel.text(column, row, str(count), ha="center", va="center", color=color, fontsize=8)
    return figure


def worst_confusions(predictions: pd.DataFrame, most: int = 5) -> list[tuple[str, str, int]]:
    """(true class, predicted class, count) of the most frequent mistakes, most frequent first."""
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    counts = wrong.groupby(["label", "predicted"]).size().sort_values(ascending=False, kind="stable")
    return [(str(pair[0]), str(pair[1]), int(count)) for pair, count in list(counts.items())[:most]]  # type: ignore[index]


def _picture(figure: Figure) -> str:
    """A figure as a data URI."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
