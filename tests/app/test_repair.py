"""Each thing that a dead run leaves is put right, and what a live process has is left alone."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cifar10.app.health import repair as repairing
from cifar10.app.health.repair import LOCK, TEMPORARY, repair
from cifar10.core.config import InputError
from cifar10.core.locks import LOCKS, lock

RWLOCK = TEMPORARY / "rwlock"
SOUND = "schema: '2.0'\nstages:\n  train:\n    cmd: train\n"
DVC_YAML = "stages:\n  train:\n    cmd: train\n    outs: [models/model.pt, data/raw/a]\n    metrics: [reports/m.json]\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(repairing, "PATIENCE_SECONDS", 0.2)
    TEMPORARY.mkdir(parents=True)
    Path("dvc.yaml").write_text(DVC_YAML)
    LOCK.write_text(SOUND)
    return tmp_path


def user(pid: int) -> dict[str, str | int]:
    return {"pid": pid, "cmd": "dvc repro"}


@pytest.fixture
def live_dvc():
    """A process whose command line says dvc."""
    process = subprocess.Popen([sys.executable, "-c", "input()", "dvc", "repro"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate(b"\n")


@pytest.fixture
def dead() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_healthy_checkout_is_left_as_it_is(live_dvc: int):
    RWLOCK.write_text(json.dumps({"write": {"/a": user(live_dvc)}, "read": {"/b": [user(live_dvc)]}}))
    before = {path: path.read_bytes() for path in (RWLOCK, LOCK)}
    assert repair() == []
    assert {path: path.read_bytes() for path in (RWLOCK, LOCK)} == before
    RWLOCK.unlink()
    LOCK.unlink()
    assert repair() == []


@pytest.mark.parametrize("content", ["", '{"write": {"/a": {"pi', "[]", '{"write": {"/a": {}}}', "null"])
def test_an_unreadable_list_of_who_is_at_work_goes(content):
    RWLOCK.write_text(content)
    assert repair() == [".dvc/tmp/rwlock: unreadable after a kill; removed"]
    assert not RWLOCK.exists()


def test_entries_of_the_dead_go_and_those_of_the_living_stay(live_dvc: int, dead: int):
    """The number of a dead process may belong to another program by now: here to this test."""
    others = (user(dead), user(os.getppid() if "dvc" in " ".join(sys.argv) else os.getpid()))
    lock = {"write": {"/a": others[0], "/b": user(live_dvc)}, "read": {"/c": [others[1], user(live_dvc)], "/d": []}}
    RWLOCK.write_text(json.dumps(lock))
    assert repair() == [".dvc/tmp/rwlock: entries of dead processes; removed"]
    assert json.loads(RWLOCK.read_text()) == {"write": {"/b": user(live_dvc)}, "read": {"/c": [user(live_dvc)]}}
    assert repair() == []


CUT_OFF = {
    "empty": "", "in a word": SOUND[:10], "no schema": "stages: {}\n", "no command": SOUND[: SOUND.index("cmd")],
    "zeros": "\0" * 40, "no YAML": "[1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "committed"), [*((name, None) for name in CUT_OFF), ("empty", "sound"), ("empty", "cut off")]
)
def test_a_lock_file_that_dvc_refuses_is_replaced(content, committed):
    if committed:
        LOCK.write_text({"sound": SOUND, "cut off": ""}[committed])
        git = "-c user.name=test -c user.email=test@localhost"
        for command in ("init -q", "add dvc.lock", f"{git} commit -qm lock"):
            subprocess.run(["git", *command.split()], check=True)
    LOCK.write_text(CUT_OFF[content])
    (line,) = repair()
    assert line.startswith("dvc.lock: cut off by a kill; ")
    if committed == "sound":
        assert LOCK.read_text() == SOUND
    else:
        assert not LOCK.exists()


@pytest.mark.parametrize(
    ("command", "told"),
    [("merge other", "your own side (main)"), ("rebase other", "the side that is rebased onto")],
)
def test_a_merge_conflict_in_the_lock_file_is_told_as_such(command, told):
    def git(arguments: str) -> int:
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        return subprocess.run(["git", *identity, *arguments.split()], capture_output=True, check=False).returncode

    def commit(text: str) -> None:
        LOCK.write_text(SOUND.replace("cmd: train", f"cmd: {text}"))
        assert git("add dvc.lock") == 0
        assert git(f"commit -qm {text}") == 0

    assert git("init -q -b main") == 0
    commit("first")
    git("checkout -qb other")
    commit("theirs")
    git("checkout -q main")
    commit("ours")
    assert git(command) != 0
    assert "<<<<<<<" in LOCK.read_text()
    assert repair() == [f"dvc.lock: a merge conflict; {told} is back; `dvc repro`, then `git add dvc.lock`"]
    assert ("ours" if command.startswith("merge") else "theirs") in LOCK.read_text()


def test_a_cache_that_projects_share_is_repaired_but_for_what_may_be_at_work(tmp_path: Path):
    subprocess.run(["dvc", "init", "--no-scm", "-q", "--force"], check=True)
    shared = tmp_path.with_name(f"{tmp_path.name}-shared")
    subprocess.run(["dvc", "cache", "dir", "-q", "--local", str(shared)], check=True)
    old, young = (shared / "runs/ab" / name / ".x1y2.tmp" for name in ("abcd", "abce"))
    for path in (old, young):
        path.parent.mkdir(parents=True)
        path.write_text("")
    os.utime(old, (0, 0))
    assert repair() == [f"{shared}/runs: half-written entries (1); removed"]
    assert list((shared / "runs/ab").iterdir()) == [young.parent]


@pytest.mark.parametrize("name", ["lock", "rwlock.lock"])
def test_beside_a_dvc_at_work_nothing_is_touched(name):
    RWLOCK.write_text("")
    with (TEMPORARY / name).open("w") as file:
        file.write("4711\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match=rf"process 4711 is at work here.*{name}"):
            repair()
    assert RWLOCK.exists()


def test_half_written_entries_of_the_run_cache_go():
    entries = Path(".dvc/cache/runs/ab/abcd")
    entries.mkdir(parents=True)
    (entries / ".x1y2.tmp").write_text("")
    (entries / "0123").write_text("whole")
    abandoned, empty = entries.with_name("abce"), entries.with_name("abcf")
    abandoned.mkdir()
    (abandoned / ".x1y2.tmp").write_text("")
    empty.mkdir()
    assert repair() == [".dvc/cache/runs: half-written entries (3); removed"]
    assert [path.name for path in entries.iterdir()] == ["0123"]
    assert list(entries.parent.iterdir()) == [entries]  # DVC fails at an empty folder


def test_half_written_outs_go_unless_their_stage_is_at_work():
    partials = [Path(name) for name in ("data/raw/.incoming/a", "models/.model.pt.partial", "reports/.m.json.partial")]
    downloads = Path("data/raw/.downloads/cifar-10.0123.partial")  # to be gone on with
    for path in (*partials, downloads):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    with lock(LOCKS / "train"):
        assert repair() == []
    assert all(path.exists() for path in partials)
    assert len(repair()) == 3
    assert not any(path.exists() for path in partials)
    assert not Path("data/raw/.incoming").exists()
    assert downloads.exists()


@pytest.mark.parametrize("missing", ["dvc.yaml", ".dvc"])
def test_elsewhere_it_says_where_to_run(missing, project: Path):
    Path(missing).rename("away")
    with pytest.raises(InputError, match="run from the folder that holds both"):
        repair()
