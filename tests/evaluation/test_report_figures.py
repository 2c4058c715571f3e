import itertools
import math
import re
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cifar10.evaluation.calibration import Bin
from cifar10.evaluation.metrics import accuracy_interval
from cifar10.evaluation.report.figures import (
    best_epoch,
    draw,
    plot_class_counts,
    plot_confusion,
    plot_curve,
    plot_f1,
    plot_reliability,
    short_names,
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


def rectangles(figure: Figure) -> list[Rectangle]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


def drawn(figure: Figure) -> Axes:
    """The panel of a figure, with its ticks where they come to lie."""
    figure.draw_without_rendering()
    return figure.axes[0]


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
    figure = plot_f1(["a", "a", "b"], [0.5, 0.25, math.nan])  # equal names are two bars
    assert [bar.get_width() for bar in rectangles(figure)] == [0.5, 0.25, 0]
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.500", "0.250", "—"]
    bars = plot_class_counts(["a", "b"], {"training": [3, 4], "validation": [1, 2]}, most=6)
    assert [(bar.get_x(), bar.get_width()) for bar in rectangles(bars)] == [(0, 3), (0, 4), (3, 1), (4, 2)]


def test_dots_are_the_bins_and_lines_their_intervals():
    lines, dots = plot_reliability(BINS).axes[0].collections
    assert isinstance(dots, PathCollection)
    assert np.asarray(dots.get_offsets()).tolist() == [[0.5, 0.25], [0.9, 1.0]]
    assert np.asarray(dots.get_sizes()).tolist() == [110, 200]
    assert isinstance(lines, LineCollection)
    for segment, bin_, correct in zip(lines.get_segments(), BINS, (1, 8), strict=True):
        assert segment[:, 0].tolist() == [bin_.confidence] * 2
        assert segment[:, 1].tolist() == list(accuracy_interval(correct, bin_.images))


def test_one_epoch_is_one_tick_and_a_constant_is_a_level_line():
    for quantity in ("loss", "accuracy", "lr"):
        panel = drawn(plot_curve(HISTORY[:1], quantity))
        assert [label.get_text() for label in panel.get_xticklabels()] == ["1"]
    constant = HISTORY.assign(lr=0.1, train_loss=2.302585, val_loss=[2.302584, 2.302585, 2.302586], val_accuracy=0.1)
    for quantity, least in (("loss", 0.1), ("accuracy", 0.05), ("lr", 0.1)):
        panel = drawn(plot_curve(constant, quantity))
        low, high = panel.get_ylim()
        assert high - low > least
        labels = [label.get_text() for label in panel.get_yticklabels()]
        assert len(set(labels)) == len(labels)
        assert panel.yaxis.get_offset_text().get_text() == ""


def test_the_highest_rate_of_an_epoch_is_drawn_where_the_history_has_it():
    assert len(plot_curve(HISTORY, "lr").axes[0].lines) == 1
    lines = plot_curve(HISTORY.assign(max_lr=[0.2, 0.1, 0.05]), "lr").axes[0].lines
    assert np.asarray(lines[0].get_ydata()).tolist() == [0.2, 0.1, 0.05]
    assert np.asarray(lines[1].get_ydata()).tolist() == [0.1, 0.05, 0.01]


def test_names_fit_and_differ():
    long = "greater " * 10
    assert short_names(["cat", f"{long}a", f"{long}b"]) == ["cat", "greater gr… greater a", "greater gr… greater b"]
    assert short_names([f"{long}a{long}", f"{long}b{long}"]) == [
        "greater gr…r greater  (1)",
        "greater gr…r greater  (2)",
    ]
    assert short_names(["\u98db\u884c\u6a5f" * 9]) == ["\u98db\u884c\u6a5f\u98db\u884c…\u884c\u6a5f\u98db\u884c\u6a5f"]


@pytest.mark.parametrize(
    "name", ["$a$", "$x", "a$_b$c", r"\$\frac$", "<b>&amp;", "#010101", 'id="a" url(#b', "{x}", "_a", "%s"]
)
def test_text_of_a_user_is_drawn_as_it_is(name):
    names = [name, "\u98db\u884c\u6a5f", "\u05e1\u05d5\u05e1", "🐸"]
    counts = np.eye(4, dtype=np.int64)
    for plot, arguments in (
        (plot_f1, (names, [1.0] * 4)),
        (plot_confusion, (counts, names)),
        (plot_class_counts, (names, {"training": [1] * 4, "validation": [1] * 4}, 2)),
    ):
        root = ElementTree.fromstring(draw("name", plot, *arguments))
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert set(names) <= set(texts)


@pytest.mark.parametrize("num_classes", [21, 100])
def test_labels_of_many_classes_are_large_enough(num_classes):
    names = [f"class {k}" for k in range(num_classes)]
    panel = drawn(plot_confusion(np.eye(num_classes, dtype=np.int64), names))
    boxes = [label.get_window_extent() for label in panel.get_yticklabels()]
    assert all(below.y1 <= above.y0 + 1 for above, below in itertools.pairwise(boxes))  # none on top of another
    assert panel.get_yticklabels()[0].get_fontsize() == 7.5


@pytest.mark.parametrize(
    ("plot", "arguments"),
    [
        (plot_curve, (HISTORY, "lr")),
        (plot_f1, (CLASSES, [0.5, 0.25, 1.0])),
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
