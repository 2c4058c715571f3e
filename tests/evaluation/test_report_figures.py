import re
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cifar10.evaluation.calibration import Bin
from cifar10.evaluation.report.figures import (
    best_epoch,
    draw,
    plot_class_counts,
    plot_confusion,
    plot_curve,
    plot_f1,
    plot_reliability,
)

CLASSES = ["cat", "dog", "<eel>"]
COUNTS = np.array([[1, 2, 0], [1, 1, 0], [0, 0, 1]])
HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "lr": [0.1, 0.05, 0.01],
        "train_loss": [2.0, 1.0, 0.5],
        "train_accuracy": [0.2, 0.4, 0.6],
        "val_loss": [1.9, 1.1, 1.2],
        "val_accuracy": [0.3, 0.5, 0.5],
    }
)
ALONE = HISTORY.drop(columns=["val_loss", "val_accuracy"])
BINS = [Bin(0.5, 0.25, 4), Bin(0.9, 1.0, 8)]
F1 = {name: {"f1": value} for name, value in zip(CLASSES, (0.5, 0.25, 1.0), strict=True)}


def rectangles(figure: Figure) -> list[Rectangle]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


@pytest.mark.parametrize("quantity", ["loss", "accuracy"])
def test_curves_show_the_history_and_the_best_epoch(quantity):
    lines = plot_curve(HISTORY, quantity).axes[0].lines
    for part, line in zip(("train", "val"), lines, strict=False):
        assert np.asarray(line.get_ydata()).tolist() == HISTORY[f"{part}_{quantity}"].tolist()
    assert np.asarray(lines[2].get_xdata()).tolist() == [2, 2]
    assert len(plot_curve(ALONE, quantity).axes[0].lines) == 1


def test_the_first_best_epoch_counts():
    assert best_epoch(HISTORY) == 2
    assert best_epoch(ALONE) is None


def test_the_heat_map_has_truth_in_rows():
    panel = plot_confusion(COUNTS, CLASSES).axes[0]
    texts = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in panel.texts}
    assert texts == {(0, 0): "1", (0, 1): "2", (1, 0): "1", (1, 1): "1", (2, 2): "1"}
    assert len(panel.patches) == 5


def test_bars_are_the_figures():
    assert [bar.get_width() for bar in rectangles(plot_f1(F1))] == [0.5, 0.25, 1.0]
    counts = {"training": {"a": 3, "b": 4}, "validation": {"a": 1, "b": 2}}
    bars = plot_class_counts(counts)
    assert [(bar.get_x(), bar.get_width()) for bar in rectangles(bars)] == [(0, 3), (0, 4), (3, 1), (4, 2)]


def test_dots_are_the_bins():
    dots = plot_reliability(BINS).axes[0].collections[0]
    assert isinstance(dots, PathCollection)
    assert np.asarray(dots.get_offsets()).tolist() == [[0.5, 0.25], [0.9, 1.0]]
    assert np.asarray(dots.get_sizes()).tolist() == [110, 200]


@pytest.mark.parametrize(
    ("plot", "arguments"),
    [
        (plot_curve, (HISTORY, "lr")),
        (plot_f1, (F1,)),
        (plot_confusion, (COUNTS, CLASSES)),
        (plot_reliability, (BINS,)),
    ],
)
def test_every_figure_is_well_formed_and_takes_its_colours_from_the_page(plot, arguments):
    svg = draw("name", plot, *arguments)
    assert svg == draw("name", plot, *arguments)
    root = ElementTree.fromstring(svg)
    assert all(element.get("id", "name-").startswith("name-") for element in root.iter())
    assert set(re.findall(r"url\(#(.{5})", svg)) <= {"name-"}
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) == set()
    assert "var(--" in svg
    assert "<eel>" not in svg
    assert mpl.rcParams["text.color"] == "black"  # the style is the figures' own
