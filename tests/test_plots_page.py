"""`dvc plots show` in a real browser that has no network."""

import shutil
import subprocess
from pathlib import Path
from typing import Literal

import plots_page
import pytest
from conftest import ROOT
from playwright.sync_api import Locator
from screenshots import LAPTOP_PIXELS, PHONE_PIXELS, chromium, find_chromium

TITLES = ("Loss", "Accuracy", "Learning rate", "Confusion matrix", "F1 by class")
HISTORY = "epoch,lr,max_lr,train_loss,train_accuracy,val_loss,val_accuracy\n1,0.02,0.02,2,0,2,0\n2,0.02,0.02,1,1,1,1\n"
TABLES = {  # of cats, dogs and eels, none taken for a dog; the eels are not measured
    "reports/train/history.csv": HISTORY,
    "reports/eval/predictions.csv": "id,label,predicted,confidence\n1,$cat$,$cat$,0.9\n2,dog,$cat$,1\n3,dog,<eel>,1\n",
    "reports/eval/per_class.csv": "class,recall,precision,f1,support\n$cat$,1,0.5,0.67,1\ndog,0,0,0,2\n<eel>,,,,0\n",
}


@pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")
def test_plots_are_drawn_without_a_network(tmp_path: Path, monkeypatch):
    """Every class on both axes, a constant rate labelled, at the width and in the colours of the window."""
    monkeypatch.chdir(tmp_path)
    subprocess.run(["dvc", "init", "--quiet", "--no-scm"], check=True)
    shutil.copytree(ROOT / ".dvc/plots", tmp_path / ".dvc/plots", dirs_exist_ok=True)
    (tmp_path / "dvc.yaml").write_text("plots:" + (ROOT / "dvc.yaml").read_text().partition("\nplots:")[2])
    for name, text in TABLES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    plots_page.main()
    subprocess.run(["dvc", "plots", "show", "--out", "plots"], check=True, capture_output=True)
    index = tmp_path / "plots/index.html"
    requests: list[str] = []
    errors: list[str] = []
    with chromium() as browser:
        windows: list[tuple[int, Literal["light", "dark"]]] = [(PHONE_PIXELS, "dark"), (LAPTOP_PIXELS, "light")]
        for width, scheme in windows:
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page.on("request", lambda request: requests.append(request.url))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(index.as_uri())
            page.wait_for_function("document.querySelectorAll('svg.marks').length == 5", timeout=20_000)
            plots = dict(zip(TITLES, map(labels_of, page.locator("svg.marks").all()), strict=True))
            assert "0.02" in plots["Learning rate"]
            assert [plots["Confusion matrix"].count(name) for name in ("$cat$", "dog", "<eel>")] == [2, 2, 2]
            assert page.evaluate("document.documentElement.scrollWidth") == width
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, background[4:-1].split(","))) > 384) == (scheme == "light")
    assert errors == []
    assert {url for url in requests if not url.startswith("data:")} == {index.as_uri()}


def labels_of(plot: Locator) -> list[str]:
    """What stands at the axes."""
    return plot.locator(".role-axis-label text").all_text_contents()
