import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cifar10.competition import file_trees
from cifar10.competition.file_trees import FileTree, ending, is_image, mount, open_tree, printable
from cifar10.core.config import InputError

FILES = {"trainLabels.csv": b"id,label\n", "train/1.png": b"one", "train/.hidden": b"", "__MACOSX/x": b""}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def pack(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def pack_tar(files: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{mode}") as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def opened(path: Path, data: bytes, stack: ExitStack) -> FileTree:
    path.write_bytes(data)
    return open_tree(path, "x", stack)


def test_image_names():
    assert is_image("a/b.PNG")
    assert is_image("b.jpeg")
    assert not is_image("b.txt")
    assert not is_image("png")
    assert ending("a.b/c") == ""


def test_a_folder_and_archives_of_it_look_alike(tmp_path: Path, stack: ExitStack):
    for name, data in FILES.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    trees = [open_tree(tmp_path / "in", "x", stack), opened(tmp_path / "a", pack(FILES), stack)]
    trees.append(opened(tmp_path / "b", pack({n.replace("/", "\\"): data for n, data in FILES.items()}), stack))
    for mode in ("", "gz", "bz2", "xz"):
        trees.append(opened(tmp_path / f"c{mode}", pack_tar({f"./{n}": d for n, d in FILES.items()}, mode), stack))
    trees.append(mount(opened(tmp_path / "d", pack({"in.zip": pack(FILES)}), stack), ["in.zip"], stack))
    for tree in trees:
        prefix = "in.zip/" * (tree is trees[-1])
        assert tree.names == [f"{prefix}train/1.png", f"{prefix}trainLabels.csv"]
        assert tree.path_of(tree.names[0]) == f"x/{prefix}train/1.png"
        with tree.open(tree.names[0]) as file:
            assert file.read() == b"one"


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path, stack: ExitStack):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1.png").touch()
    (tmp_path / "in/cat").mkdir(parents=True)
    for name, target in {
        "dog": "../elsewhere",
        "me": ".",
        "cat/up": "..",
        "top": "/",
        "gone": "nowhere",
        "self": "self",
    }.items():
        (tmp_path / "in" / name).symlink_to(target)
    (tmp_path / "elsewhere/back").symlink_to("../in")
    (tmp_path / "in/1.png").symlink_to("../elsewhere/1.png")
    tree = open_tree(tmp_path / "in", "in", stack)
    assert tree.names == ["1.png", "dog/1.png"]
    assert tree.passed_over == {"links in a circle": 4, "broken links": 2}


def test_names_that_are_no_text_can_be_shown(tmp_path: Path, stack: ExitStack):
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9/1.png")).touch()
    (name,) = open_tree(tmp_path, "in", stack).names
    assert printable(name) == "caf\\xe9/1.png"


@pytest.mark.parametrize("name", ["../1.png", "/1.png", "a/../../1.png", "C:\\1.png", "..\\1.png"])
def test_names_that_lead_out_of_an_archive_are_passed_over(tmp_path: Path, stack: ExitStack, name):
    tree = opened(tmp_path / "a", pack({name: b"", "train/1.png": b""}), stack)
    assert tree.names == ["train/1.png"]
    assert tree.passed_over == {"names that lead out of the archive": 1}


def test_links_in_archives_are_passed_over(tmp_path: Path, stack: ExitStack):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("train/1.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    link = zipfile.ZipInfo("train/1.png")
    link.external_attr = 0o120777 << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    for data in (buffer.getvalue(), packed.getvalue()):
        tree = opened(tmp_path / "a", data, stack)
        assert (tree.names, tree.passed_over) == ([], {"links in an archive": 1})


GZ = pack_tar({"train/1.png": b"one" * 1000}, "gz")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"PK\x03\x04 cut", "x: not a whole zip file (File is not a zip file); fetch it again"),
        (b"", "x: neither a folder nor a whole zip or tar file; if it should be one, fetch it again"),
        (b"<html>", "x: neither a folder nor a whole zip or tar file; if it should be one, fetch it again"),
        (GZ[:-20], "x: not a whole archive (Compressed file ended before"),
        (GZ[:30] + bytes([GZ[30] ^ 0x55]) + GZ[31:], "x: not a whole archive ("),
        (b"7z\xbc\xaf\x27\x1c rest", "x: a 7z archive by itself; let data.path be the folder that holds it"),
        (b"Rar!\x1a\x07 rest", "x: a RAR archive by itself; let data.path be the folder that holds it"),
    ],
    ids=["zip", "empty", "page", "cut tar", "damaged tar", "7z", "rar"],  # a tar.gz has the time in it
)
def test_what_is_no_archive_is_one_line(tmp_path: Path, stack: ExitStack, data, expected):
    with pytest.raises(InputError) as error:
        opened(tmp_path / "a", data, stack)
    assert str(error.value).startswith(expected)


@pytest.mark.parametrize(("name", "limit"), [("train.7z", "MAX_FILE_BYTES"), ("train/1.png", "MAX_ENCODED_BYTES")])
def test_a_member_larger_than_any_real_one_is_not_read(tmp_path: Path, stack: ExitStack, monkeypatch, name, limit):
    for data in (pack({name: bytes(1000)}), pack_tar({name: bytes(1000)}, "")):
        tree = opened(tmp_path / "a", data, stack)
        monkeypatch.setattr(file_trees, limit, 1000)
        with tree.open(name) as file:
            assert len(file.read()) == 1000
        monkeypatch.setattr(file_trees, limit, 999)
        with pytest.raises(InputError, match=rf"x/{name}: 1,000 bytes; at most 999 are read"), tree.open(name):
            pass


def test_a_packed_archive_that_unpacks_to_more_than_any_real_one_is_not_read(
    tmp_path: Path, stack: ExitStack, monkeypatch
):
    monkeypatch.setattr(file_trees, "MAX_FILE_BYTES", 1 << 20)
    with pytest.raises(InputError, match=r"unpacks to more than 1,048,576 bytes"):
        opened(tmp_path / "a", pack_tar({"a": bytes(1 << 21)}, "gz"), stack)
