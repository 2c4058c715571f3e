"""A folder that is no repository is told so, with a way that then works with the real DVC."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from cifar10.app.experiments.replication import exp_run
from cifar10.app.health.repository import repository_fault, runs_apart_fault
from cifar10.core.config import InputError
from cifar10.evaluation.origin import cache_dir


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch) -> Path:
    """What a zip of the source holds, as far as git and DVC look at it."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test@localhost")
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    Path("dvc.yaml").write_text("stages:\n  one:\n    cmd: echo 1 > one\n    outs: [one]\n")
    return tmp_path


@pytest.mark.parametrize("way", [0, 1])
def test_without_git_either_way_leads_on(way):
    fault = repository_fault()
    assert fault.startswith("git: no repository here; ")
    subprocess.run(re.findall("`(.+?)`", fault)[way], shell=True, check=True, capture_output=True)
    assert repository_fault() == ""
    subprocess.run(["dvc", "repro"], check=True, capture_output=True)


def test_a_commit_is_asked_for():
    subprocess.run(["git", "init", "-q"], check=True)
    fault = repository_fault()
    assert fault.startswith("git: no commit yet")
    subprocess.run(re.findall("`(.+?)`", fault)[0], shell=True, check=True, capture_output=True)
    assert repository_fault() == ""


def test_a_checkout_of_another_user_is_told_with_the_command(monkeypatch, folder: Path):
    subprocess.run(["git", "init", "-q"], check=True)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("HOME", str(folder))
    assert repository_fault() == (
        f"git: this folder is another user's; `git config --global --add safe.directory '{folder}'`"
    )


def test_a_shallow_clone_is_told_before_anything_is_trained(folder: Path, monkeypatch):
    subprocess.run(
        "git init -q && git add -A && git commit -qm 1 && git commit -qm 2 --allow-empty", shell=True, check=True
    )
    assert runs_apart_fault(cache_dir) == ""
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{folder}", "clone"], check=True)
    monkeypatch.chdir("clone")
    with pytest.raises(InputError, match="git fetch --unshallow"):
        exp_run("name", {}, queue=False)


def test_a_cache_whose_path_is_not_ascii_is_told_with_a_way_that_works(folder: Path, monkeypatch):
    Path("Übung").mkdir()
    shutil.copytree(".dvc", "Übung/.dvc")
    shutil.copy("dvc.yaml", "Übung")
    monkeypatch.chdir("Übung")
    subprocess.run("git init -q && git add -A && git commit -qm 1", shell=True, check=True)
    with pytest.raises(InputError, match=r"Übung/\.dvc/cache is not all ASCII") as fault:
        exp_run("name", {}, queue=False)
    way = re.findall("`(.+?)`", str(fault.value))[0].replace("/path/to", str(folder))
    subprocess.run(way, shell=True, check=True, capture_output=True)
    assert runs_apart_fault(cache_dir) == ""
    subprocess.run(["dvc", "exp", "run", "--temp"], check=True, capture_output=True)


def test_it_needs_nothing_but_python(folder: Path):
    command = [sys.executable, "-S", "-m", "cifar10.app.health.repository"]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}, capture_output=True)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: git: no repository here; ")
