import errno
from pathlib import Path

import pytest

from cifar10.core.files import DiskFullError, atomic_folder, atomic_path, atomic_write, mount_point, tell_disk_full


def test_a_file_is_replaced_whole(tmp_path: Path):
    path = tmp_path / "new" / "a.txt"
    atomic_write(path, "one\n")
    atomic_write(path, b"two\r\n")
    assert path.read_bytes() == b"two\r\n"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_failure_keeps_the_old_file(tmp_path: Path):
    path = tmp_path / "a.txt"
    atomic_write(path, "old")
    with pytest.raises(RuntimeError, match="stop"), atomic_path(path) as partial:
        partial.write_text("half")
        raise RuntimeError("stop")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_failure_keeps_the_old_folder(tmp_path: Path):
    path = tmp_path / "out"
    with atomic_folder(path) as partial:
        (partial / "a").write_text("old")
    with pytest.raises(RuntimeError, match="stop"), atomic_folder(path) as partial:
        (partial / "a").write_text("half")
        raise RuntimeError("stop")
    assert (path / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_leftovers_of_a_killed_run_do_not_come_in(tmp_path: Path):
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "stale").write_text("")
    with atomic_folder(tmp_path / "out") as partial:
        (partial / "a").write_text("new")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a"]


def test_of_a_full_disk_the_outermost_says_where_and_the_innermost_how_much(tmp_path: Path, monkeypatch):
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFullError) as told, tell_disk_full(tmp_path / "folder"):
        atomic_write(tmp_path / "a.txt", b"x" * 45_000_000)
    assert told.value.filename == str(tmp_path / "folder")
    assert told.value.errno == errno.ENOSPC
    assert told.value.strerror
    assert told.value.strerror.startswith("disk full: 45.0 MB needed, ")
    assert told.value.strerror.endswith(f" MB free on {mount_point(tmp_path)}; free some space and run again")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_other_failures_of_a_write_are_told_as_they_are(tmp_path: Path):
    with pytest.raises(PermissionError), tell_disk_full(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_mount_point_is_known_of_paths_that_are_not_there_yet():
    assert mount_point(Path("/proc/not/yet")) == Path("/proc")
    assert mount_point(Path("/nowhere")) == Path("/")
