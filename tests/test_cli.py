import json
import subprocess
import sys
from pathlib import Path

import pytest

from cifar10.cli import METRICS, main


def test_results_tell_the_figures_and_the_files(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    METRICS.parent.mkdir(parents=True)
    METRICS.write_text(json.dumps({"validation": {"accuracy": 0.98765, "macro_f1": 0.9, "images": 1234}}))
    main(["results"])
    out = capsys.readouterr().out
    assert "validation  accuracy 0.9877   macro F1 0.9000   (1,234 images)" in out
    assert "submissions/submission.csv" in out
    assert "reports/report.html" in out


def test_results_without_a_run_is_one_line(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["results"])
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: reports/eval/metrics.json: not found; `dvc repro` makes it\n"


def test_the_command_is_installed():
    command = Path(sys.executable).with_name("cifar10")
    help_text = subprocess.run([command, "--help"], check=True, capture_output=True, text=True).stdout
    assert "results" in help_text
