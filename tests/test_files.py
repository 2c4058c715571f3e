from pathlib import Path

import pytest

from cifar10.files import atomic_folder, atomic_path, atomic_write


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
