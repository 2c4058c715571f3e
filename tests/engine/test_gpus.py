import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from cifar10.engine import gpus

CODE = """
import sys
from pathlib import Path
from cifar10.engine.gpus import lock_first_free
print(lock_first_free(["a", "b"], Path(sys.argv[1]), poll_seconds=0.05), flush=True)
sys.stdin.read()
"""


def run(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", CODE, str(folder)]
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": ""}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def line(process: subprocess.Popen) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_each_run_gets_its_own_and_the_next_waits_for_one_that_ends(tmp_path: Path):
    first, second = run(tmp_path), run(tmp_path)
    runs = [first, second]
    try:
        assert sorted([line(first), line(second)]) == ["0", "1"]
        third = run(tmp_path)
        runs.append(third)
        assert line(third) == "all 2 GPUs are taken by other runs; waiting for one"
        first.kill()  # no run has to tidy up
        freed = line(third)
        assert freed in ("0", "1")
    finally:
        for process in runs:
            process.kill()
            process.communicate()


def test_the_only_gpu_is_never_waited_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert gpus.lock_gpu.__wrapped__() == 0


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="this machine has fewer than two GPUs")
def test_a_locked_gpu_is_one_of_the_visible():
    assert 0 <= gpus.lock_gpu() < torch.cuda.device_count()
