import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import train_config

from cifar10.metrics import score
from cifar10.report import plot_confusion, plot_curves, worst_confusions, write_report

CLASSES = ["cat", "dog", "<eel>"]
PREDICTIONS = pd.DataFrame(
    {
        "id": range(6),
        "label": ["cat", "cat", "cat", "dog", "dog", "<eel>"],
        "predicted": ["cat", "dog", "dog", "dog", "cat", "<eel>"],
        "confidence": 0.5,
    }
)
HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2],
        "lr": [0.1, 0.01],
        "train_loss": [2.0, 1.0],
        "train_accuracy": [0.2, 0.4],
        "val_loss": [1.9, 1.1],
        "val_accuracy": [0.3, 0.5],
    }
)
MODEL = train_config(model__name="resnet18").model


def numbers(column: str):
    return PREDICTIONS[column].map(CLASSES.index).to_numpy()


METRICS = {"validation": score(numbers("label"), numbers("predicted"), CLASSES)}


def test_the_page_is_self_contained_and_repeatable(tmp_path: Path):
    for name in ("a.html", "b.html"):
        write_report(tmp_path / name, METRICS, HISTORY, PREDICTIONS, CLASSES, MODEL)
    page = (tmp_path / "a.html").read_text()
    assert page == (tmp_path / "b.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert page.count("data:image/png;base64,") == 2
    assert "50.00 %" in page  # 3 of 6
    assert "&lt;eel&gt;" in page
    assert "<eel>" not in page
    assert "cat taken for dog: 2" in page


def test_a_fit_on_everything_has_a_page_too(tmp_path: Path):
    history = HISTORY.drop(columns=["val_loss", "val_accuracy"])
    write_report(tmp_path / "a.html", {}, history, PREDICTIONS[:0], CLASSES, MODEL)
    assert "nothing left to measure on" in (tmp_path / "a.html").read_text()


def test_confusions_are_counted():
    assert worst_confusions(PREDICTIONS) == [("cat", "dog", 2), ("dog", "cat", 1)]
    assert worst_confusions(PREDICTIONS, most=1) == [("cat", "dog", 2)]
    assert worst_confusions(PREDICTIONS[:1]) == []


def test_the_heat_map_has_truth_in_rows():
    texts = {
        (t.get_position()[1], t.get_position()[0]): t.get_text()
        for t in plot_confusion(PREDICTIONS, CLASSES).axes[0].texts
    }
    assert texts == {(0, 0): "1", (0, 1): "2", (1, 0): "1", (1, 1): "1", (2, 2): "1"}


@pytest.mark.parametrize(("panel", "column"), [(0, "loss"), (1, "accuracy")])
def test_curves_show_the_history(panel, column):
    lines = plot_curves(HISTORY).axes[panel].lines
    assert [list(line.get_ydata()) for line in lines] == [HISTORY[f"{p}_{column}"].tolist() for p in ("train", "val")]
