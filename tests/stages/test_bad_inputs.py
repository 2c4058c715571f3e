"""Whatever is wrong with an input is told in one line that names file and item, and changes nothing."""

import gc
import os
import runpy
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_inputs import CASES
from bad_inputs.case import build_run
from conftest import ROOT
from ruamel.yaml import YAML

from cifar10.app.cli import main

STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        build_run()
    gc.freeze()  # each archive's header is followed by a collection, which need not go through all libraries again
    yield folder
    gc.unfreeze()


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder but the logs, among which a stage's lock is."""
    paths = [path for path in folder.rglob("*") if path.relative_to(folder).parts[0] != "logs"]
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


def command_line(command: str) -> list[str]:
    """`python -m MODULE ARGUMENTS` of a stage or of `cifar10`."""
    _, *rest = shlex.split(STAGES[command]["cmd"] if command in STAGES else f"python -m cifar10.app.cli {command[8:]}")
    return [sys.executable, *rest]


def run_apart(command: str) -> tuple[int, str]:
    """Exit code and errors of a command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    done = subprocess.run(command_line(command), env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def run_here(command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The same in this process, which has its libraries loaded already."""
    _, _, module, *arguments = command_line(command)
    code: object = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # to stderr, as everywhere outside tests
            if command in STAGES:
                monkeypatch.setattr(sys, "argv", [module, *arguments])
                runpy.run_path(str(ROOT / "src" / f"{module.replace('.', '/')}.py"), run_name="__main__")
            else:
                main(arguments)
    except SystemExit as stop:
        code = stop.code
    if isinstance(code, str):  # Python prints it and exits with 1
        print(code, file=sys.stderr)
    return 1 if isinstance(code, str) else int(str(code)), capfd.readouterr().err


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_and_changes_nothing(name: str, finished_run: Path, tmp_path: Path, monkeypatch, capfd):
    case = CASES[name]
    folder = Path(shutil.copytree(finished_run, tmp_path / "run"))
    monkeypatch.chdir(folder)
    case.spoil()
    before = snapshot(folder)
    code, errors = run_apart(case.command) if case.apart else run_here(case.command, monkeypatch, capfd)
    assert code == 1, errors
    assert errors.startswith("error: ")
    assert errors.endswith("\n")
    assert errors.count("\n") == 1
    assert len(errors) <= 200
    assert all(part in errors for part in case.names), errors
    assert snapshot(folder) == before
