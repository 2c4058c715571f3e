"""`dvc repro` with `data.source: kaggle`, from refusal to leaderboard: a copy of the project against the stand-in."""

import contextlib
import csv
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kaggle_behaviour import Failure
from kaggle_stand_in import TOKEN, StandIn
from kaggle_user import BIN, ROOT, UserFolder

from cifar10.competition import FILES

pytest_plugins = ["kaggle_fixtures"]

SMALL = {"lr: 0.02 ": "lr: 0.01 ", "epochs: 4 ": "epochs: 1 ", "batch_size: 64 ": "batch_size: 16 "}
SMALL |= {
    "source: sample ": "source: kaggle ",
    "device: auto ": "device: cpu ",
    "name: resnet18_improved ": "name: cnn3 ",
}


@pytest.fixture
def project(tmp_path: Path, server: StandIn) -> UserFolder:
    """The project as a fresh clone, its parameters small."""
    for name in ("dvc.yaml", "params.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    dvc = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(tmp_path / ".home/dvc")}
    project = UserFolder(tmp_path, server, {"PYTHONPATH": str(tmp_path / "src"), "VERBOSE": "1", **dvc})
    project.save_credentials()
    (tmp_path / ".home/tmp").mkdir()
    project.environment["TMPDIR"] = str(tmp_path / ".home/tmp")
    identity = (["config", "user.name", "student"], ["config", "user.email", "student@localhost"])
    for command in (["init", "-q"], *identity, ["add", "-A", ":!.home"], ["commit", "-qm", "as published"]):
        subprocess.run(["git", *command], cwd=tmp_path, env=project.variables(), check=True)
    project.succeeds("dvc", "init", "-q")
    params = tmp_path / "params.yaml"
    text = params.read_text()
    for old, new in SMALL.items():
        assert old in text
        text = text.replace(old, new)
    params.write_text(text)
    return project


@pytest.fixture
def command_lines() -> Iterator[set[bytes]]:
    """The command lines of all processes that are seen while a test runs (Linux)."""
    seen: set[bytes] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):  # it has ended
                    seen.add(path.read_bytes())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield seen
    over.set()
    watcher.join()


def test_from_refusal_to_leaderboard(
    project: UserFolder, server: StandIn, competition: Path, command_lines: set[bytes]
) -> None:
    raw = project.folder / "data/raw"

    # Rules not accepted: the stage's line stands above DVC's own, and nothing is half done.
    server.behaviour.failures["DownloadDataFiles"] = Failure(403, "You must accept this competition's rules")
    refused = project.run("dvc", "repro")
    assert refused.returncode != 0
    assert "accept the rules at https://www.kaggle.com/competitions/cifar-10/rules\n" in refused.stderr
    assert [path for path in raw.rglob("*") if path.is_file()] == []

    # Killed in the middle of the download: the next run goes on from there.
    server.reset().bytes_per_second = 100_000
    kill_when_half_done(project)
    server.reset()
    output = project.succeeds("dvc", "repro")
    assert re.search(r"cifar-10.zip: 0.3 MB, resumed at 0.\d MB", output)
    assert server.resumed_at() > 100_000
    for name in FILES[:4]:
        assert (raw / name).read_bytes() == (competition / name).read_bytes()

    # Once more: nothing to do, and nobody is asked.
    server.reset()
    assert "Data and pipelines are up to date." in project.succeeds("dvc", "repro")
    assert server.requests == []

    # Submitted by our command and by Kaggle's own, the same file gets its true score.
    submission = project.folder / "submissions/submission.csv"
    rows = list(csv.DictReader(submission.read_text().splitlines()))
    right = {int(row["id"]): row["label"] == server.solution[int(row["id"])] for row in rows}
    public = sum(right[i] for i in right if i % 2) / 15
    output = project.succeeds("cifar10", "submit", "--yes")
    assert f"public      {public:.5f}\n" in output
    description = server.submissions[0]["description"]
    assert re.fullmatch(
        r"workspace [0-9a-f]{7,} lr=0.01 epochs=1 batch_size=16 data.source=kaggle model.name=cnn3 runtime.device=cpu "
        r"validation [01]\.[0-9]{4}",
        description,
    )
    file = str(submission.relative_to(project.folder))
    by_hand = ("kaggle", "competitions", "submit", "-c", "cifar-10", "-f", file, "-m", "by hand")
    assert "Successfully submitted" in project.succeeds(*by_hand, VERBOSE=None)  # with it, it prints the token
    assert server.submissions[0]["publicScore"] == f"{public:.5f}"
    assert f"{public:.5f}" in project.succeeds("cifar10", "scores")

    # The final fit has no validation part: the figure is that of the run in which the recipe was chosen.
    validation = recorded(project)[0]["validation_accuracy"]
    project.succeeds("dvc", "exp", "run", "-S", "data.val_fraction=0")
    output = project.succeeds("cifar10", "submit", "--yes")
    assert f"validation  {float(validation):.4f} (data.val_fraction=0.2)   (" in output
    final = recorded(project)[-1]
    assert (final["validation_accuracy"], final["validation_of"]) == (validation, "data.val_fraction=0.2")
    assert final["experiment"] != "workspace"
    assert f"validation {float(validation):.4f} of data.val_fraction=0.2" in server.submissions[0]["description"]
    assert f"{float(validation):.4f} (data.val_fraction=0.2)" in project.succeeds("cifar10", "scores")

    # With the token in every place and VERBOSE=1, it went nowhere: no file, no lock, no log, no argument, no output.
    assert project.holds_token() == []
    if Path("/proc/self/cmdline").exists():
        assert all(any(stage in line for line in command_lines) for stage in (b"stages.download", b"stages.predict"))
        assert not any(TOKEN.encode() in line for line in command_lines)


def recorded(project: UserFolder) -> list[dict[str, str]]:
    return list(csv.DictReader((project.folder / "submissions/scores.csv").read_text().splitlines()))


def kill_when_half_done(project: UserFolder) -> None:
    """SIGKILL for DVC and its stage once 100 kB of the 282 kB are there."""
    process = subprocess.Popen(
        [BIN / "dvc", "repro"],
        cwd=project.folder,
        env=project.variables(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 100_000 for path in project.folder.glob("data/raw/.downloads/*.partial")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
