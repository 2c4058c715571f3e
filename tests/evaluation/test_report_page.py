import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from report_fixtures import HISTORY, NOTHING_KNOWN, PROVENANCE, write_tiny_report

from cifar10.data.dataset import PreparedData
from cifar10.evaluation.report.page import worst_confusions
from cifar10.preparation.data_card import describe

MAX_BYTES = 5_000_000


def words(path: Path) -> str:
    """What a reader sees of the page, on one line."""
    text = re.sub(r"<(style|svg).*?</\1>", " ", path.read_text(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_the_page_is_self_contained_and_repeatable(tmp_path: Path, tiny_data: PreparedData):
    for name in ("a.html", "b.html"):
        write_tiny_report(tmp_path / name, tiny_data)
    page = (tmp_path / "a.html").read_text()
    assert page == (tmp_path / "b.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "<script" not in page
    assert "@import" not in page
    assert len(page.encode()) < MAX_BYTES
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_head_has_figures_intervals_and_the_change(tmp_path: Path, tiny_data: PreparedData):
    parts = write_tiny_report(tmp_path / "a.html", tiny_data)
    text = words(tmp_path / "a.html")
    accuracy = parts["validation"].score["accuracy"]
    assert f"validation, 10 images {100 * accuracy:.2f} % accuracy 95 % interval" in text
    assert f"{100 * (accuracy - 0.25):+.2f} points since the last commit" in text
    assert text.count("since the last commit") == 2  # accuracy and F1 of validation; test was not known before
    assert "always naming the largest class: 40.00 %" in text
    assert text.count("no interval: a class has fewer than 10 images") == 2  # 4, 3 and 3; and 4 of each
    assert "commit abc1234" in text
    assert "lr=0.1 , model.name=&lt;lenet&gt;" in text
    assert "1,234 s (validation apart) on a processor, 2 cores (cpu, 2 threads, float32)" in text
    assert "measured with Python 3.11.7, torch 2.14.1" in text
    assert "trained by code 0123456789ab, that of commit def5678; Python 3.12.1, torch 2.14.1" in text
    assert "trained on a processor, 2 cores, 2 threads (cpu, 2 threads, float32)" in text


def test_a_recipe_of_many_parameters_is_listed_once(tmp_path: Path, tiny_data: PreparedData):
    for count, listings in ((6, 2), (7, 1)):
        changed = {f"key{number}": number for number in range(count)}
        origin = dataclasses.replace(NOTHING_KNOWN, commit="abc1234", changed_params=changed)
        write_tiny_report(tmp_path / "a.html", tiny_data, origin=origin)
        text = words(tmp_path / "a.html")
        assert text.count(f"key{count - 1}={count - 1}") == listings
        assert text.count("differ from the commit's: all of them") == 2 - listings
    assert "parameters 7 differ from the commit's" in text


def test_equal_figures_are_the_same(tmp_path: Path, tiny_data: PreparedData):
    parts = write_tiny_report(tmp_path / "a.html", tiny_data)
    figures = {key: parts["validation"].score[key] for key in ("accuracy", "macro_f1")}
    same = dataclasses.replace(NOTHING_KNOWN, previous={"validation": figures})
    write_tiny_report(tmp_path / "a.html", tiny_data, origin=same)
    assert words(tmp_path / "a.html").count("the same as in the last commit") == 2


def test_what_is_not_known_is_not_claimed(tmp_path: Path, tiny_data: PreparedData):
    write_tiny_report(tmp_path / "a.html", tiny_data, {**PROVENANCE, "code": None}, origin=NOTHING_KNOWN)
    text = words(tmp_path / "a.html")
    assert "last commit" not in text
    assert "commit not known parameters not known" in text
    assert "validation apart" not in text
    assert "trained by code not known; Python 3.12.1" in text
    write_tiny_report(tmp_path / "a.html", tiny_data, origin=NOTHING_KNOWN)
    assert "code 0123456789ab, which is in no commit known here; Python" in words(tmp_path / "a.html")


def test_a_fit_on_everything_has_a_page_too(tmp_path: Path, tiny_data: PreparedData):
    history = HISTORY.drop(columns=["val_loss", "val_accuracy"])
    card = {
        "train": {"images": 48, "per_class": dict.fromkeys(tiny_data.classes, 16)},
        "validation": {"images": 0, "per_class": dict.fromkeys(tiny_data.classes, 0)},
        "test": {"images": 12, "labelled": 0},
        "channel_mean": [0.5] * 3,
        "channel_std": [0.5] * 3,
        "exact_duplicates": {"groups": 1, "images": 2, "groups_with_different_labels": 1, "ids": [[1, 4]]},
        "near_duplicates": {"correlation_above": 0.98, "groups": 0, "different_labels": []},
    }
    write_tiny_report(tmp_path / "a.html", tiny_data, parts={}, history=history, card=card)
    text = words(tmp_path / "a.html")
    assert "nothing left to measure on" in text
    assert "What the second convolution makes of an image" in text
    assert "2 labelled images share their pixels with another (1 group, 1 of them with different labels)" in text
    assert "none among the labelled images (no correlation above 0.98)" in text
    assert "two names" not in text
    page = (tmp_path / "a.html").read_text()
    assert set(re.findall(r'<a href="#([^"]+)"', page)) == set(re.findall(r'<h2 id="([^"]+)"', page))


def test_duplicates_with_different_labels_are_shown(tmp_path: Path, tiny_data: PreparedData):
    alone = np.arange(len(tiny_data.labelled))
    near = alone.copy()
    near[:20] = alone[:20] // 2  # ten pairs of neighbours, whose classes differ
    write_tiny_report(tmp_path / "a.html", tiny_data, card=describe(tiny_data, alone, near))
    text = words(tmp_path / "a.html")
    assert "20 labelled images are connected by a correlation above 0.98 (10 groups, 10 of them with diff" in text
    assert "Duplicates that bear different labels (8 of 10 groups): at least one" in text
    assert "green image 1 red image 2 blue image 3" in text
    assert "image 17" not in text


def test_test_labels_alone_are_shown(tmp_path: Path, tiny_data: PreparedData):
    parts = write_tiny_report(tmp_path / "a.html", tiny_data)
    write_tiny_report(tmp_path / "a.html", tiny_data, parts={"test": parts["test"]})
    assert "Test images at even distances" in words(tmp_path / "a.html")


@pytest.mark.parametrize("right", [True, False])
def test_all_right_and_all_wrong(tmp_path: Path, tiny_data: PreparedData, right):
    parts = write_tiny_report(tmp_path / "a.html", tiny_data)
    part = parts["validation"]
    predicted = part.logits.argmax(1).numpy()
    labels = predicted if right else (predicted + 1) % 3
    images = dataclasses.replace(part.images, labels=labels)
    part = dataclasses.replace(part, images=images, score={**part.score, "accuracy": float(right)})
    write_tiny_report(tmp_path / "a.html", tiny_data, parts={"validation": part})
    assert ("No mistakes." in words(tmp_path / "a.html")) is right
    assert ("The most confident mistakes" in words(tmp_path / "a.html")) is not right


def test_confusions_are_counted():
    counts = np.array([[1, 2, 0], [1, 1, 0], [0, 0, 1]])
    told = worst_confusions(counts, ["cat", "dog", "eel"])
    assert told == [
        {"true": "cat", "predicted": "dog", "count": 2, "of": 3},
        {"true": "dog", "predicted": "cat", "count": 1, "of": 2},
    ]
    assert worst_confusions(counts, ["cat", "dog", "eel"], most=1) == told[:1]
    assert worst_confusions(np.eye(3, dtype=np.int64), ["cat", "dog", "eel"]) == []
