"""`dvc plots show` in a real browser that has no network."""

import subprocess
from pathlib import Path

import plots_page
import pytest
from conftest import ROOT
from screenshots import chromium, find_chromium

HISTORY = "epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy\n1,0.1,2.0,0.3,2.1,0.2\n2,0.05,1.0,0.6,1.2,0.5\n"
TABLES = {
    "reports/train/history.csv": HISTORY,
    "reports/eval/predictions.csv": "id,label,predicted,confidence\n1,cat,cat,0.9\n2,dog,cat,0.6\n",
    "reports/eval/per_class.csv": "class,recall,precision,f1,support\ncat,1,1,1,1\ndog,1,1,0.5,1\n",
}


@pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")
def test_plots_are_drawn_without_a_network(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["dvc", "init", "--quiet", "--no-scm"], check=True)
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
        page = browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(index.as_uri())
        for title in ("Loss", "Accuracy", "Learning rate", "Confusion matrix", "F1 by class"):
            page.locator(f"[aria-label*='{title}']").first.wait_for(state="attached", timeout=10_000)
        drawn = page.locator("canvas, svg.marks").count()
    assert drawn == 5
    assert errors == []
    assert [url for url in requests if not url.startswith("data:")] == [index.as_uri()]
