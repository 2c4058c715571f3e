import json
import os
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from conftest import ROOT, write_params

from cifar10.app.cli import METRICS, REPORT, main


def test_results_tell_the_figures_and_the_files(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    METRICS.parent.mkdir(parents=True)
    score = {"accuracy": 0.98765, "macro_f1": 0.9, "images": 1234, "largest_class_share": 617 / 1234}
    METRICS.write_text(json.dumps({"validation": score}))
    main(["results"])
    out = capsys.readouterr().out
    assert "validation  accuracy 0.9877   macro F1 0.9000   (1,234 images, always the largest class 0.5000)" in out
    assert "submissions/submission.csv" in out
    assert "reports/report.html" in out


def test_results_tell_what_is_left_in_the_parameters(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    METRICS.parent.mkdir(parents=True)
    METRICS.write_text("{}")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    for arguments in (("init", "-q"), ("add", "params.yaml"), (*author, "commit", "-qm", "start")):
        subprocess.run(["git", *arguments], check=True)
    main(["results"])
    assert "changed" not in capsys.readouterr().out
    write_params(tmp_path / "params.yaml", {"ensemble.seeds": 3, "lr": 0.1})
    main(["results"])
    assert "changed     lr=0.1 ensemble.seeds=3; `git checkout params.yaml` takes it back\n" in capsys.readouterr().out


def test_results_without_a_run_is_one_line(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["results"])
    assert stop.value.code == 1
    where = "run from the folder that holds dvc.yaml"
    assert capsys.readouterr().err == f"error: reports/eval/metrics.json: not found; {where}\n"
    Path("dvc.yaml").touch()
    with pytest.raises(SystemExit):
        main(["results"])
    assert capsys.readouterr().err == "error: reports/eval/metrics.json: not found; `dvc repro` makes it\n"


def test_the_command_is_installed():
    command = Path(sys.executable).with_name("cifar10")
    help_text = subprocess.run([command, "--help"], check=True, capture_output=True, text=True).stdout
    assert "results" in help_text


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path):
    """`cifar10 results | head -1`, whose reader is gone before anything is written."""
    (tmp_path / METRICS).parent.mkdir(parents=True)
    (tmp_path / METRICS).write_text("{}")
    reading, writing = os.pipe()
    os.close(reading)
    command = [Path(sys.executable).with_name("cifar10"), "results"]
    done = subprocess.run(command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def report(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    REPORT.parent.mkdir(parents=True)
    (tmp_path / "cached").write_text("<html></html>")
    REPORT.symlink_to(tmp_path / "cached")  # as with `dvc config cache.type symlink`
    return tmp_path / REPORT


def test_show_prints_the_path_and_opens_only_when_asked(report: Path, monkeypatch, capsys):
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: not opened.append(address))
    main(["show"])
    assert capsys.readouterr().out == f"{report}\n"
    assert opened == []
    main(["show", "--open"])
    assert capsys.readouterr().out == f"{report}\n"
    assert opened == [report.as_uri()]


@pytest.mark.parametrize("there", [True, False])
def test_show_without_a_browser_or_a_report_is_one_line(report: Path, monkeypatch, capsys, there):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    if not there:
        report.unlink()
    with pytest.raises(SystemExit) as stop:
        main(["show", "--open"])
    assert stop.value.code == 1
    by_hand, missing = f"{report}: no browser could be started here", f"{REPORT}: not found; `dvc repro` makes it\n"
    assert capsys.readouterr().err.startswith(f"error: {by_hand if there else missing}")
