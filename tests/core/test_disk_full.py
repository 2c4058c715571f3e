"""Every stage on a disk that is full: one line with how much is missing and where, nothing lost, and on it goes after.

A file system of a megabyte or two, where one may be mounted.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import train_config, write_params

from cifar10.core.stage import run_stage
from cifar10.data.dataset import PreparedData, load_prepared
from cifar10.stages import download, evaluate, predict, prepare, train
from cifar10.training.fit import fit
from cifar10.training.history import EpochResult
from cifar10.training.resume import ResumeStore

MEGABYTES = 4


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of its own."""
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system to fill")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def here(disk: Path, monkeypatch) -> Iterator[Path]:
    """The small disk, empty but for the parameters."""
    monkeypatch.chdir(disk)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    yield disk
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def fill(disk: Path, leave_bytes: int = 0) -> None:
    """Take all space but `leave_bytes`, in whole pages."""
    (disk / "ballast").write_bytes(b"\1" * (shutil.disk_usage(disk).free - leave_bytes))


def refusal(monkeypatch, main, *paths: Path | str) -> str:
    """What a stage that cannot be done says, once it has ended with code 1."""
    monkeypatch.setattr(sys, "argv", ["stage", *map(str, paths)])
    with pytest.raises(SystemExit) as stop:
        run_stage(main)
    assert isinstance(stop.value.code, str)  # Python prints a text to stderr and exits with 1
    return stop.value.code


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_stage_says_what_is_missing_keeps_what_was_and_goes_on_later(
    here: Path, tiny_raw: Path, tiny_prepared: Path, tmp_path: Path, monkeypatch
):
    small = {"model.name": "lenet", "epochs": 1, "batch_size": 12, "runtime.checkpoint_minutes": 0.0}
    write_params(here / "params.yaml", {**small, "data.source": "local", "data.path": str(tiny_raw)})
    model, history, card = Path("model.pt"), Path("train/history.csv"), tiny_prepared.with_name("data.json")
    sample = tiny_raw / "sampleSubmission.csv"
    cases = {
        "raw": (download.main, ["raw"]),
        "prepared": (prepare.main, [tiny_raw, "prepared", "card.json"]),
        "model.pt": (train.main, [tiny_prepared, model, "train"]),
        "eval": (evaluate.main, [tiny_prepared, model, history, card, "eval", "report.html"]),
        "submission.csv": (predict.main, [tiny_prepared, sample, model, "submission.csv"]),
    }
    for name, (main, paths) in cases.items():
        (here / "logs/locks").mkdir(parents=True, exist_ok=True)
        (here / "logs/locks/stage").write_text("room for a number\n")
        fill(here, leave_bytes=96 << 10 if name in ("prepared", "model.pt") else 0)
        before = tree(here)
        line = refusal(monkeypatch, main, *paths)
        assert line.startswith("error: "), name
        assert "disk full: " in line, line
        assert f"MB free on {here}; free some space and run again" in line
        assert "\n" not in line
        assert len(line) < 250
        after = {path: data for path, data in tree(here).items() if not path.startswith("logs/")}
        lasting = {path: data for path, data in before.items() if not path.startswith("logs/")}
        assert lasting.items() <= after.items(), name
        assert not [path for path in after if "partial" in path or "incoming" in path]
        if name == "prepared":
            assert line.startswith(f"error: prepared: disk full: {60 * 3072 / 1e6:.1f} MB needed, 0.1 MB free on ")

        (here / "ballast").unlink()
        main(*map(Path, paths))
        if name == "model.pt":  # which tells of the machine, by the length of whose name it may be larger
            needed = f"{model.stat().st_size / 1e6:.1f} MB needed"
            assert line.startswith(f"error: model.pt: disk full: {needed}, 0.1 MB free on ")
    assert load_prepared(Path("prepared")).classes == load_prepared(tiny_prepared).classes


def test_a_state_that_cannot_be_kept_does_not_end_the_training(here: Path, tiny_data: PreparedData, capsys):
    config = train_config(model__name="lenet", epochs=2, runtime__checkpoint_minutes=1e-9)
    fill(here)
    _, history = fit(tiny_data, config, ResumeStore(here / "resume", "key"))
    assert [type(row) for row in history] == [EpochResult] * 2
    out = capsys.readouterr().out
    assert "train: the state could not be kept; error: " in out
    assert f"0.0 MB free on {here}" in out
