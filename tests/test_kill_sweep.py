"""The real dvc, killed: after healing it ends as if nothing had been. The two quick stages stand for all."""

import os
import shutil
import signal
import time
from pathlib import Path

import kill_sweep
import psutil
import pytest
from killing import Pipeline

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


def started_stage(pipeline: Pipeline, stage: str) -> psutil.Process:
    """The process of a stage, as soon as it is at work."""
    claim = pipeline.folder / "logs/locks" / stage
    while not (claim.exists() and claim.read_text()):
        time.sleep(0.005)
    return psutil.Process(int(claim.read_text()))


def test_dvc_killed_alone_leaves_no_writer(pipeline: tuple[Pipeline, list[bytes]]):
    checkout, expected = pipeline
    checkout.reset()
    dvc = checkout.start(*REPRO)
    stage = started_stage(checkout, "download")
    stage.suspend()  # as if its work took long
    dvc.kill()
    dvc.wait()
    assert dvc.stdout
    dvc.stdout.close()
    checkout.heal()
    stage.resume()
    assert run(checkout) == expected
    assert not stage.is_running() or stage.status() == psutil.STATUS_ZOMBIE


def test_all_killed_in_the_middle_of_a_write(pipeline: tuple[Pipeline, list[bytes]]):
    """DVC writes both files in place: what a kill leaves of them is empty or cut off."""
    checkout, expected = pipeline
    checkout.reset()
    dvc = checkout.start(*REPRO)
    started_stage(checkout, "prepare")
    os.killpg(dvc.pid, signal.SIGKILL)
    dvc.communicate()
    lock = (checkout.folder / "dvc.lock").read_bytes()
    (checkout.folder / ".dvc/tmp/rwlock").write_text("")
    (checkout.folder / "dvc.lock").write_bytes(lock[:40])
    assert "dvc" in kill_sweep.finish(checkout.start(*REPRO))  # DVC itself is stuck
    assert checkout.heal().count("healed: ") >= 2
    assert run(checkout) == expected


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_killed_at_a_write(pipeline: tuple[Pipeline, list[bytes]], monkeypatch):
    checkout, expected = pipeline
    checkout.reset()
    monkeypatch.setattr(kill_sweep, "REPRO", REPRO)
    kill = kill_sweep.at_every_write(follow=False)
    assert kill(checkout, 9) == kill_sweep.KILLED
    checkout.heal()
    assert run(checkout) == expected


def test_the_table_has_a_row_for_every_kind():
    rows = {"trainings": {"kills": 100, "runs": 40, "identical": 40, "stuck": 0}}
    lines = kill_sweep.table(rows).splitlines()
    assert lines[0].split() == ["kills", "runs", "identical", "stuck"]
    assert lines[1].split() == ["trainings", "100", "40", "40", "0"]


def test_the_small_competition_is_one(tmp_path: Path):
    kill_sweep.write_small_competition(tmp_path)
    assert len((tmp_path / "trainLabels.csv").read_text().splitlines()) == 1 + kill_sweep.NUM_TRAIN
