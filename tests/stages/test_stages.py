import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cifar10.core.config import InputError
from cifar10.core.stage import run_stage


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the stage's lock lies


def fail_with(error: BaseException):
    def main(*paths: Path) -> None:
        raise error

    return main


def test_a_stage_gets_the_paths_of_its_command_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["stage", "data/raw", "out.csv"])
    seen: list[Path] = []
    run_stage(lambda *paths: seen.extend(paths))
    assert seen == [Path("data/raw"), Path("out.csv")]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("params.yaml: lr: no"), "error: params.yaml: lr: no"),
        (OSError(28, "No space left on device", "models/model.pt"), "error: models/model.pt: No space left on device"),
        (OSError("odd"), "error: odd"),
        (KeyboardInterrupt(), "error: interrupted"),
    ],
)
def test_what_a_person_can_mend_is_one_line_and_code_1(monkeypatch, error, line):
    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as stop:
        run_stage(fail_with(error))
    assert stop.value.code == line  # Python prints a text to stderr and exits with 1


def test_our_own_mistakes_keep_their_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(AssertionError):
        run_stage(fail_with(AssertionError("bug")))


@pytest.mark.parametrize(
    "command",
    [
        (sys.executable, "-m", "cifar10.stages.train", "data", "model.pt", "reports"),
        (sys.executable, "-m", "cifar10.stages.prepare", "raw", "prepared", "data.json"),
        (str(Path(sys.executable).with_name("cifar10")), "results"),
    ],
)
def test_ctrl_c_during_an_import_is_one_line(tmp_path: Path, command):
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stderr == "error: interrupted\n"
    assert done.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
