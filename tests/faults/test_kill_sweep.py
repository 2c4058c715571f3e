"""The real dvc, killed: after repair it ends as if nothing had been. The two quick stages stand for all."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import kill_sweep
import psutil
import pytest
from killing import Pipeline

from cifar10.core.locks import LOCKS, lock

REPRO = ("dvc", "repro", "prepare")
RESULTS = ("dvc.lock", "data/prepared/labelled_images.npy", "data/prepared/val_rows.npy", "reports/data.json")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, list[bytes]]:
    """A checkout, and what its first two stages make when nobody disturbs them."""
    raw, checkout = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("checkout")
    kill_sweep.write_small_competition(raw)
    pipeline = Pipeline(checkout, {**kill_sweep.PIPELINE, "data.path": str(raw)})
    return pipeline, run(pipeline)


def run(pipeline: Pipeline) -> list[bytes]:
    assert kill_sweep.finish(pipeline.start(*REPRO)) == ""
    return [(pipeline.folder / name).read_bytes() for name in RESULTS]


@contextmanager
def running(pipeline: Pipeline, stage: str) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """`dvc repro` and the process of a stage that can only wait for its lock, which is taken."""
    with lock(pipeline.folder / LOCKS / stage):
        dvc = pipeline.start(*REPRO)
        try:
            found: list[psutil.Process] = []
            while not found:
                assert dvc.poll() is None
                time.sleep(0.05)
                with suppress(psutil.Error):  # one that has just ended
                    children = psutil.Process(dvc.pid).children(recursive=True)
                    found = [child for child in children if child.cmdline()[1:3] == ["-m", f"cifar10.stages.{stage}"]]
            yield dvc, found[0]
        finally:
            with suppress(ProcessLookupError):
                os.killpg(dvc.pid, signal.SIGKILL)
            dvc.communicate()


def wait_for_end(process: psutil.Process) -> None:
    """An orphan that has ended stays a zombie where the first process collects none, as in many containers."""
    for _ in range(200):
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.05)
                continue
        return
    pytest.fail(f"{process} still runs")


def test_a_stage_ends_with_a_dvc_that_is_killed_alone(pipeline: tuple[Pipeline, list[bytes]]):
    checkout, expected = pipeline
    checkout.reset()
    with running(checkout, "prepare") as (dvc, stage):
        dvc.kill()
        wait_for_end(stage)
    checkout.repair()
    assert run(checkout) == expected


def test_all_killed_in_the_middle_of_a_write(pipeline: tuple[Pipeline, list[bytes]]):
    """DVC writes both files in place, and a folder before what is in it: a kill leaves less than it can take."""
    checkout, expected = pipeline
    checkout.reset()
    with running(checkout, "prepare") as (dvc, _):
        os.killpg(dvc.pid, signal.SIGKILL)
    whole = (checkout.folder / "dvc.lock").read_bytes()
    (checkout.folder / ".dvc/tmp/rwlock").write_text("")
    (checkout.folder / "dvc.lock").write_bytes(whole[:40])
    for entry in (checkout.folder / ".dvc/cache/runs").glob("*/*/*"):
        entry.unlink()
    assert "dvc" in kill_sweep.finish(checkout.start(*REPRO))  # DVC itself is stuck
    assert checkout.repair().count("repaired: ") >= 3
    assert run(checkout) == expected


@pytest.mark.skipif(not kill_sweep.can_trace(), reason="strace is not installed, or may not trace here")
def test_killed_at_a_write(pipeline: tuple[Pipeline, list[bytes]], monkeypatch):
    checkout, expected = pipeline
    checkout.reset()
    monkeypatch.setattr(kill_sweep, "REPRO", REPRO)
    kill = kill_sweep.at_every_write(follow=False)
    assert kill(checkout, 9) == kill_sweep.KILLED
    checkout.repair()
    assert run(checkout) == expected


def test_the_table_has_a_row_for_every_kind():
    rows = {"trainings": {"kills": 100, "runs": 40, "identical": 40, "stuck": 0}}
    lines = kill_sweep.table(rows).splitlines()
    assert lines[0].split() == ["kills", "runs", "identical", "stuck"]
    assert lines[1].split() == ["trainings", "100", "40", "40", "0"]


def test_the_small_competition_is_one(tmp_path: Path):
    kill_sweep.write_small_competition(tmp_path)
    assert len((tmp_path / "trainLabels.csv").read_text().splitlines()) == 1 + kill_sweep.NUM_TRAIN
