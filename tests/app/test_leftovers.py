"""States of interrupted trainings as the doctor sees them: what still goes on stays, litter goes."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cifar10.app.health.leftovers import RESUME, check_leftovers
from cifar10.engine.provenance import code_digest
from cifar10.training.resume import ResumeStore


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch) -> Path:
    """A checkout whose training is one file, committed."""
    monkeypatch.chdir(tmp_path)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test@localhost")
    (tmp_path / "dvc.yaml").write_text("stages: {train: {deps: [src/a.py]}}")
    (tmp_path / ".gitignore").write_text("logs/\n")
    (tmp_path / "src").mkdir()
    git("init", "-q")
    commit_code("first")
    return tmp_path


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)


def commit_code(text: str) -> None:
    Path("src/a.py").write_text(text)
    git("add", "-A")
    git("commit", "-qm", text)


def leave_state(name: str, days: float) -> Path:
    """A state that the present code wrote, some days ago."""
    store = ResumeStore(RESUME, name, {"code": str(code_digest("train"))})
    store.save({"epoch": 3})
    age(store.folder, days)
    return store.folder


def age(folder: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(folder, (then, then))


def test_what_the_present_code_goes_on_from_stays():
    new, old = leave_state("new", 0.0), leave_state("old", 30.0)
    lines = check_leftovers()
    assert lines[0].endswith("0 MB, 0 days old; the same parameters, data and code go on from it")
    assert lines[1].endswith("0 MB, 30 days old; `rm -r logs/resume/old`")
    assert new.is_dir()
    assert old.is_dir()


@pytest.mark.parametrize("where", ["history", "branch", "stash", "reflog"])
def test_what_code_in_git_goes_on_from_stays(where):
    """Whatever way git still has it."""
    if where == "branch":
        git("checkout", "-qb", "other")
    if where == "stash":
        Path("src/a.py").write_text("second")
    else:
        commit_code("second")
    state = leave_state("second", 2.0)
    commands = {"branch": "checkout -q -", "stash": "stash", "reflog": "reset -q --hard HEAD~1"}
    if where == "history":
        commit_code("third")
    else:
        git(*commands[where].split())
    assert code_digest("train") != json.loads((state / "origin.json").read_text())["code"]
    (line,) = check_leftovers()
    assert "2 days old; the same parameters, data and the code of commit " in line
    assert state.is_dir()


def test_what_nothing_can_go_on_from_is_removed_after_a_day():
    Path("src/a.py").write_text("never committed")
    state = leave_state("lost", 0.0)
    Path("src/a.py").write_text("and changed again")
    (line,) = check_leftovers()
    assert line.endswith("the code that wrote it, which is not here and not in git, go on from it")
    age(state, 1.1)
    (line,) = check_leftovers()
    assert line.endswith("1 days old; removed: its code is neither here nor in git")
    assert not state.exists()
    assert check_leftovers() == []


@pytest.mark.parametrize("lacking", ["git", "origin"])
def test_where_nobody_can_say_nothing_is_removed(repository: Path, lacking):
    Path("src/a.py").write_text("never committed")
    state = leave_state("lost", 3.0)
    Path("src/a.py").write_text("and changed again")
    if lacking == "git":
        shutil.rmtree(repository / ".git")
    else:
        (state / "origin.json").write_text("{")
        age(state, 3.0)
    assert len(check_leftovers()) == 1
    assert state.is_dir()
