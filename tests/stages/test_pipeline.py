"""The real `dvc` on the tiny competition: run, run again, change a parameter, come back, start over elsewhere."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import CLASSES, NUM_TEST, ROOT, write_params, write_tiny
from ruamel.yaml import YAML

from cifar10.core.tables import read_table
from cifar10.evaluation.inputs import read_history
from cifar10.submission import check_submission

OVERRIDES = {"data.source": "local", "epochs": 2, "batch_size": 12, "model.name": "cnn3"}
RESULTS = ("models/model.pt", "reports/eval/predictions.csv", "submissions/submission.csv")


class Project:
    """A fresh checkout with its own environment variables."""

    def __init__(self, root: Path, raw: Path) -> None:
        self.root = root
        for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, root / name)
        shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        write_params(root / "params.yaml", {**OVERRIDES, "data.path": str(raw)})
        self.env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(root / "src"),
            **{f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        templates = ("cp", "-r", str(ROOT / ".dvc/plots"), ".dvc")
        commands = [command.split() for command in ("git init -q", "dvc init -q", "git add -A", "git commit -qm start")]
        for command in (*commands[:2], templates, *commands[2:]):
            assert self.run(*command).returncode == 0

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True)

    def dvc(self, *arguments: str) -> str:
        done = self.run("dvc", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def read(self, *names: str) -> list[bytes]:
        return [(self.root / name).read_bytes() for name in names]

    def lock(self) -> dict[str, Any]:
        """dvc.lock without the report, the one out that tells the time and the commit."""
        lock = YAML(typ="safe").load(self.root / "dvc.lock")
        outs = lock["stages"]["evaluate"]["outs"]
        outs[:] = [out for out in outs if out["path"] != "reports/report.html"]
        return lock


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask once a second, for two minutes at most."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(1)


@contextmanager
def changed(path: Path) -> Iterator[None]:
    """Within it, a source file has a comment more."""
    text = path.read_text()
    path.write_text(f"{text}# a comment\n")
    yield
    path.write_text(text)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("user") / "competition")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, raw: Path) -> Project:
    project = Project(tmp_path_factory.mktemp("project"), raw)
    assert stages_run(project.dvc("repro")) == ["params", "download", "prepare", "train", "evaluate", "predict"]
    return project


def test_a_run_ends_with_a_valid_submission_and_metrics(project: Project):
    submission = project.root / "submissions/submission.csv"
    check_submission(read_table(submission), project.root / "data/raw/sampleSubmission.csv", CLASSES, submission)
    metrics = json.loads((project.root / "reports/eval/metrics.json").read_text())
    for part, prefix, images in (("validation", "", 10), ("test", "test_", NUM_TEST)):
        table = pd.read_csv(project.root / f"reports/eval/{prefix}predictions.csv")
        assert metrics[part]["images"] == len(table) == images
        assert metrics[part]["accuracy"] == (table["label"] == table["predicted"]).mean()
        per_class = pd.read_csv(project.root / f"reports/eval/{prefix}per_class.csv")
        assert metrics[part]["macro_f1"] == pytest.approx(per_class["f1"].mean())
        assert per_class["support"].sum() == images
    history = (project.root / "reports/train/history.csv").read_text().splitlines()
    assert history[0] == "epoch,lr,max_lr,train_loss,train_accuracy,val_loss,val_accuracy"
    assert len(history) == 3
    clock = (project.root / "logs/train_timing.csv").read_text().splitlines()
    assert clock[0] == "epoch,seconds,images_per_second"
    assert "<h1>cnn3</h1>" in (project.root / "reports/report.html").read_text()


def test_git_sees_nothing_but_the_lock_file(project: Project):
    assert project.run("git", "status", "--porcelain").stdout == "?? dvc.lock\n"


def test_running_again_does_nothing(project: Project):
    output = project.dvc("repro")
    assert stages_run(output) == []
    assert "Data and pipelines are up to date." in output


def test_a_new_learning_rate_retrains_and_the_old_one_comes_from_the_cache(project: Project):
    project.run("git", "add", "dvc.lock")
    project.run("git", "commit", "-qm", "run")
    before, lock = project.read(*RESULTS), project.read("dvc.lock")
    assert stages_run(project.dvc("exp", "run", "-S", "lr=0.1")) == ["params", "train", "evaluate", "predict"]
    changed = project.read(*RESULTS)
    assert changed[0] != before[0]
    diff = json.loads(project.dvc("metrics", "diff", "--json"))
    assert "last.train_loss" in diff["reports/train/metrics.json"]
    assert stages_run(project.dvc("exp", "run", "-S", "lr=0.02")) == []
    assert project.read(*RESULTS) == before
    assert project.read("dvc.lock") == lock
    assert stages_run(project.dvc("exp", "run", "-S", "lr=0.1")) == []
    assert project.read(*RESULTS) == changed
    table = project.dvc("exp", "show", "--csv")
    columns = table.splitlines()[0].split(",")
    assert "lr" in columns
    assert columns[5:7] == ["validation.accuracy", "validation.macro_f1"]  # before them: names and dates
    assert len(table.splitlines()) >= 4  # header, workspace, main, two experiments


def test_experiments_are_compared(project: Project):
    """The commit with lr 0.02, experiments with 0.1, in a folder of its own and from the queue, all with seconds."""
    project.dvc("exp", "run", "--queue", "-S", "lr=0.4", "-S", "epochs=1", "--name", "queued-run")
    project.dvc("queue", "start")  # its worker goes on beside the next run
    project.dvc("exp", "run", "--temp", "-S", "lr=0.3", "-S", "epochs=1", "--name", "own-folder")
    wait_until(lambda: "Success" in project.dvc("queue", "status"))
    names = re.findall(r"\w+-\w+", project.dvc("exp", "list", "--name-only"))
    done = project.run("cifar10", "compare", "HEAD", *names, "--plot", "curves.svg")
    assert done.returncode == 0, done.stderr
    table = done.stdout.splitlines()
    assert [line.split()[0] for line in table[: 2 + len(names)]] == ["run", "HEAD", *names]
    assert any(line.endswith("lr=0.1") for line in table)
    assert all(re.search(r" \d+ *(lr=0.*)?$", line) for line in table[1 : 2 + len(names)])
    assert (project.root / "curves.svg").is_file()
    (project.root / "curves.svg").unlink()
    (project.root / ".dvc/cache").rename(project.root / ".dvc/lost")
    lost = project.run("cifar10", "compare", "HEAD")
    (project.root / ".dvc/lost").rename(project.root / ".dvc/cache")
    assert lost.returncode == 1
    assert lost.stderr == "error: HEAD: has no reports/eval/metrics.json, or DVC's cache lost it\n"


def test_plots_are_drawn_from_the_run(project: Project):
    project.dvc("plots", "show", "--out", "plots")
    page = (project.root / "plots/index.html").read_text()
    for title in ("Loss", "Accuracy", "Learning rate", "Confusion matrix", "F1 by class"):
        assert f'"{title}"' in page or f">{title}<" in page, title
    shutil.rmtree(project.root / "plots")


def test_a_fit_on_all_labelled_images_goes_through(project: Project):
    project.dvc("exp", "run", "-S", "data.val_fraction=0", "-S", "epochs=1")
    metrics = json.loads((project.root / "reports/eval/metrics.json").read_text())
    assert list(metrics) == ["test"]
    submission = project.root / "submissions/submission.csv"
    assert len(read_table(submission)) == NUM_TEST
    history = read_history(project.root / "reports/train/history.csv")
    assert list(history) == ["epoch", "lr", "max_lr", "train_loss", "train_accuracy"]
    shown = project.run("dvc", "plots", "show", "--json")
    assert shown.stderr == ""  # no warning, and no plot is left out
    loss, accuracy = (json.loads(shown.stdout)["data"][title] for title in ("Loss", "Accuracy"))
    assert all(plot[0]["content"]["data"]["values"] for plot in (loss, accuracy))
    project.dvc("exp", "run", "-S", "data.val_fraction=0.2", "-S", "epochs=2", "-S", "lr=0.02")


def test_a_bad_parameter_stops_with_one_line_and_loses_nothing(project: Project):
    before = project.read(*RESULTS)
    failed = project.run("dvc", "exp", "run", "-S", "lr=fast")
    assert failed.returncode != 0
    assert "error: params.yaml: lr: input should be a valid number, not 'fast'" in failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    project.dvc("exp", "run", "-S", "lr=0.02")
    assert project.read(*RESULTS) == before


def test_a_misspelt_key_is_told_although_nothing_is_to_do(project: Project):
    """No stage tracks such a key, so that DVC alone would skip every stage and say nothing."""
    params, lock = project.read("params.yaml", "dvc.lock")
    top, nested = params + b"learning_rate: 0.5\n", params.replace(b"  device:", b"  precison: auto\n  device:")
    for text, command, told in (
        (top, "repro", "learning_rate: unknown key; did you mean lr?"),
        (top, "exp run", "learning_rate: unknown key; did you mean lr?"),
        (nested, "repro predict", "runtime.precison: unknown key; did you mean"),
    ):
        (project.root / "params.yaml").write_bytes(text)
        failed = project.run("dvc", *command.split())
        assert failed.returncode != 0
        assert f"error: params.yaml: {told}" in failed.stderr
    (project.root / "params.yaml").write_bytes(params)
    added = project.run("dvc", "exp", "run", "-S", "+learning_rate=0.5")
    assert added.returncode != 0
    assert "did you mean lr?" in added.stderr
    (project.root / "params.yaml").write_bytes(params)
    assert stages_run(project.dvc("repro")) == []
    assert project.read("dvc.lock") == [lock]


@pytest.mark.parametrize("stage", ["params", "download", "prepare", "train", "evaluate", "predict"])
def test_a_stage_alone_ends_with_one_line_and_code_1(tmp_path: Path, stage, monkeypatch):
    """In a folder that has parameters and nothing else every stage but the first lacks its input."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path / "params.yaml", {"data.source": "local", "data.path": "nowhere"})
    arguments = {"params": 2, "download": 1, "prepare": 3, "train": 3, "evaluate": 6, "predict": 4}[stage]
    monkeypatch.setattr(sys, "argv", [f"{stage}.py", *(f"p{i}" for i in range(arguments))])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / f"src/cifar10/stages/{stage}.py"), run_name="__main__")
    assert isinstance(stop.value.code, str)  # Python prints a text to stderr and exits with 1
    assert stop.value.code.startswith("error: ")
    assert "\n" not in stop.value.code
    files = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == [f"logs/locks/{stage}", "params.yaml"]  # the lock ended with the stage


def test_the_same_run_elsewhere_gives_the_same_bytes(tmp_path: Path, project: Project, raw: Path):
    """Also where nobody can write to the home; and the files at `data.path` stay untouched."""
    other = Project(tmp_path, raw)
    other.env.update(TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7", HOME="/proc/nonexistent")
    before = [(path, path.stat().st_mtime_ns) for path in sorted([raw, *raw.rglob("*")])]
    other.dvc("repro")
    assert [(path, path.stat().st_mtime_ns) for path in sorted([raw, *raw.rglob("*")])] == before
    assert other.read(*RESULTS) == project.read(*RESULTS)
    assert other.lock() == project.lock()


def test_a_clone_that_pulls_from_the_remote_has_nothing_left_to_do(tmp_path: Path, project: Project):
    project.dvc("remote", "add", "--default", "storage", str(tmp_path / "remote"))
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "run and remote")
    project.dvc("push")
    assert project.run("git", "clone", "-q", str(project.root), str(tmp_path / "clone")).returncode == 0

    def dvc_there(command: str) -> str:
        environment = {**project.env, "PYTHONPATH": str(tmp_path / "clone/src")}
        done = subprocess.run(["dvc", command], cwd=tmp_path / "clone", env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    dvc_there("pull")
    assert stages_run(dvc_there("repro")) == []
    assert [(tmp_path / "clone" / name).read_bytes() for name in RESULTS] == project.read(*RESULTS)


def test_what_no_result_depends_on_reruns_nothing(project: Project):
    """Two keys of the parameters and a comment in a command; a comment in the training is another program."""
    for setting in ("runtime.checkpoint_minutes=10", "runtime.tensorboard=true"):
        assert stages_run(project.dvc("exp", "run", "-S", setting)) == ["params"]  # which reads every key
    for module, stages in (("app/cli.py", []), ("training/optim.py", ["train"])):
        with changed(project.root / "src/cifar10" / module):
            assert stages_run(project.dvc("repro", "--dry", "train")) == stages


def test_an_interrupted_training_goes_on_although_a_command_was_changed(project: Project, tmp_path: Path):
    """What training does not need is no part of what its state belongs to."""
    write_params(tmp_path / "params.yaml", {"model.name": "lenet", "epochs": 100_000, "batch_size": 12})
    for name in ("dvc.yaml", "src", "data"):
        (tmp_path / name).symlink_to(project.root / name)

    command = [sys.executable, "-u", "-m", "cifar10.stages.train", "data/prepared", "model.pt", "reports"]
    environment = {**project.env, "OMP_NUM_THREADS": "1"}

    def first_line() -> str:
        """Of a training that is stopped after its first epoch."""
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as training:
            assert training.stdout
            line = training.stdout.readline()
            assert any(text.startswith("epoch ") for text in training.stdout)
            training.terminate()
            training.communicate()
        return line

    assert "going on" not in first_line()
    with changed(project.root / "src/cifar10/app/cli.py"):
        assert ", going on in epoch " in first_line()
    with changed(project.root / "src/cifar10/training/optim.py"):
        assert "going on" not in first_line()
