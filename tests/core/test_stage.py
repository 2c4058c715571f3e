"""Real processes: one at a time for a stage, and none that outlives its DVC."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT

from cifar10.core.locks import LOCKS, lock
from cifar10.core.stage import lock_name

# A stage of dvc.yaml, as far as `run_stage` goes.
STAGE = """
import sys, time
from cifar10.core.stage import run_stage

def main():
    print("at work", flush=True)
    time.sleep(60)

run_stage(main)
"""
# Starts its argument as DVC does: through the user's shell, which may stay or hand the process over.
DVC = """
import os, subprocess, sys
os.environ["DVC_STAGE"] = "stage"
subprocess.run([os.environ["SHELL"], "-c", sys.argv[1]])
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def start(folder: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    (folder / "stage.py").write_text(STAGE)
    return subprocess.Popen(
        [sys.executable, *command], cwd=folder, env={**ENVIRONMENT, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_a_second_one_is_told_who_is_at_work_and_comes_in_after_a_kill(tmp_path: Path):
    folder = tmp_path / LOCKS
    first = start(tmp_path, "stage.py")
    try:
        assert line(first) == "at work"
        with pytest.raises(BlockingIOError) as refusal, lock(folder / "stage", 0.3):
            pass
        assert refusal.value.filename == str(folder / "stage")
        assert f"process {first.pid} is at work here" in str(refusal.value)
        with lock(folder / "another", 0.0):
            pass
    finally:
        first.kill()
        first.communicate()
    with lock(folder / "stage", 0.0):
        assert (folder / "stage").read_text() == f"{os.getpid()}\n"


def test_a_second_one_waits_for_one_that_is_ending(tmp_path: Path):
    first = start(tmp_path, "stage.py")
    assert line(first) == "at work"
    second = start(tmp_path, "stage.py")
    time.sleep(0.5)
    first.kill()
    first.communicate()
    assert line(second) == "at work"
    second.kill()
    second.communicate()


def test_under_torchrun_each_process_has_its_own(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert lock_name("train") == "train"
    monkeypatch.setenv("RANK", "3")
    assert lock_name("train") == "train.3"


@pytest.mark.parametrize("shell", ["hands over", "stays"])
def test_a_stage_ends_soon_after_its_dvc(tmp_path: Path, shell):
    program = tmp_path / "shell"
    program.write_text(f'#!/bin/sh\n{"exec " if shell == "hands over" else ""}/bin/sh "$@"\n')
    program.chmod(0o755)
    dvc = start(tmp_path, "-c", DVC, f"exec {sys.executable} stage.py", SHELL=str(program))
    assert line(dvc) == "at work"
    stage = psutil.Process(int((tmp_path / LOCKS / "stage").read_text()))
    assert (stage.ppid() == dvc.pid) == (shell == "hands over")
    dvc.kill()
    dvc.wait()
    stage.wait(timeout=5)
    dvc.communicate()


def test_a_stage_does_not_begin_when_its_dvc_has_ended_already(tmp_path: Path):
    late = f"echo waiting; while kill -0 $PPID 2>/dev/null; do sleep 0.05; done; exec {sys.executable} stage.py"
    dvc = start(tmp_path, "-c", DVC, late, SHELL="/bin/sh")
    assert line(dvc) == "waiting"
    dvc.kill()
    dvc.wait()
    assert dvc.communicate()[0] == ""  # not "at work"


def test_a_stage_started_by_hand_outlives_its_terminal(tmp_path: Path):
    by_hand = DVC.replace('os.environ["DVC_STAGE"] = "stage"', 'os.environ.pop("DVC_STAGE", None)')
    shell = start(tmp_path, "-c", by_hand, f"exec {sys.executable} stage.py", SHELL="/bin/sh")
    assert line(shell) == "at work"
    stage = psutil.Process(int((tmp_path / LOCKS / "stage").read_text()))
    shell.kill()
    shell.wait()
    with pytest.raises(psutil.TimeoutExpired):
        stage.wait(timeout=1)
    stage.send_signal(signal.SIGKILL)
    stage.wait(timeout=5)
    shell.communicate()
