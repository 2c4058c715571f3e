import io
import zipfile
from pathlib import Path

import py7zr
import pytest
from conftest import tiny_members

from cifar10.archives import FolderTree, ZipTree, image_id, is_image, read_ids, visit_images, write_7z
from cifar10.config import InputError
from cifar10.images import MAX_ENCODED_BYTES

MEMBERS = tiny_members("train", 12)


def contents(path: Path) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    visit_images(path, lambda number, name, data: found.update({number: data}))
    return found


@pytest.mark.parametrize("compress", [True, False])
def test_what_is_written_is_read(tmp_path: Path, compress):
    path = tmp_path / "train.7z"
    write_7z(path, MEMBERS, compress)
    assert read_ids(path) == list(range(1, 13))
    assert contents(path) == {number: data for number, (_, data) in enumerate(MEMBERS, 1)}


def test_the_same_members_make_the_same_file_at_any_time(tmp_path: Path, monkeypatch):
    write_7z(tmp_path / "a.7z", MEMBERS)
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_7z(tmp_path / "b.7z", MEMBERS)
    assert (tmp_path / "a.7z").read_bytes() == (tmp_path / "b.7z").read_bytes()


def test_another_writers_archive_of_many_blocks_is_read(tmp_path: Path):
    """7-Zip splits large archives into blocks; appending to a file makes some here."""
    path = tmp_path / "train.7z"
    for mode, part in (("w", MEMBERS[:5]), ("a", MEMBERS[5:])):
        with py7zr.SevenZipFile(path, mode) as archive:
            for name, data in part:
                archive.writestr(data, name)
    assert len(contents(path)) == 12


def test_an_archive_without_members_is_empty(tmp_path: Path):
    write_7z(tmp_path / "test.7z", [])
    assert contents(tmp_path / "test.7z") == {}


def write_plain(path: Path, members: dict[str, bytes], **options) -> Path:
    with py7zr.SevenZipFile(path, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(data, name)
    return path


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"train/x.png": b"1"}, "member 'train/x.png' is not an image named by its id (17.png)"),
        ({"train/1.png": b"1", "train/1.gif": b"1"}, "member 'train/1.gif' is not an image"),
        ({"train/a/1.png": b"1"}, "member 'train/a/1.png' is not an image"),
        ({"train/01.png": b"1"}, "member 'train/01.png' is not an image"),
        ({"train/1.png": b"1", "other/1.png": b"2"}, "id 1 is there twice (train/1.png and other/1.png)"),
        ({"train/1.png": b"1", "train/1.jpg": b"2"}, "id 1 is there twice"),
        ({"train/1.png": bytes(MAX_ENCODED_BYTES + 1)}, "train/1.png has 1,048,577 bytes; not a 32x32 image"),
    ],
)
def test_members_outside_the_allow_list_are_refused_before_they_are_read(tmp_path: Path, members, expected):
    path = write_plain(tmp_path / "train.7z", members)
    for read in (read_ids, contents):
        with pytest.raises(InputError) as error:
            read(path)
        assert str(error.value).startswith(f"{path}: {expected}")


def test_an_encrypted_archive_is_refused(tmp_path: Path):
    path = write_plain(tmp_path / "train.7z", dict(MEMBERS), password="secret")
    with pytest.raises(InputError, match="encrypted"):
        read_ids(path)


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "flipped"])
def test_a_damaged_archive_is_one_line(tmp_path: Path, damage):
    path = tmp_path / "train.7z"
    write_7z(path, MEMBERS)
    whole = path.read_bytes()
    middle = len(whole) // 3
    path.write_bytes(
        {
            "text": b"<html>",
            "empty": b"",
            "cut": whole[: len(whole) // 2],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 0x10]) + whole[middle + 1 :],
        }[damage]
    )
    with pytest.raises(InputError) as error:
        contents(path)
    assert str(error.value).startswith(f"{path}: not a whole 7z archive (")
    assert "\n" not in str(error.value)


def test_a_damaged_stored_member_is_never_handed_on(tmp_path: Path):
    path = tmp_path / "train.7z"
    write_7z(path, MEMBERS, compress=False)
    whole = bytearray(path.read_bytes())
    whole[32 + 500] ^= 1  # inside the first member
    path.write_bytes(whole)
    seen: list[int] = []
    with pytest.raises(InputError, match="not a whole 7z archive"):
        visit_images(path, lambda number, name, data: seen.append(number))
    assert 1 not in seen


def test_a_missing_archive_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none\.7z: not found"):
        read_ids(tmp_path / "none.7z")


def test_a_visitors_own_error_passes_through(tmp_path: Path):
    write_7z(tmp_path / "train.7z", MEMBERS)

    def refuse(number: int, name: str, data: bytes) -> None:
        raise InputError(f"{name}: no")

    with pytest.raises(InputError, match=r"^train/1\.png: no$"):
        visit_images(tmp_path / "train.7z", refuse)


@pytest.mark.parametrize(("name", "number"), [("1.png", 1), ("train/300000.JPG", 300000), ("a.png", None), ("", None)])
def test_ids_are_in_the_names(name, number):
    assert image_id(name) == number


def test_image_names():
    assert is_image("a/b.PNG")
    assert is_image("b.jpeg")
    assert not is_image("b.txt")
    assert not is_image("png")


def test_a_folder_and_a_zip_of_it_look_alike(tmp_path: Path):
    files = {"trainLabels.csv": b"id,label\n", "train/1.png": b"one", "train/.hidden": b"", "__MACOSX/x": b""}
    for name, data in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    buffers = {"plain.zip": "", "wrapped.zip": "cifar-10/"}
    for name, prefix in buffers.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, data in files.items():
                archive.writestr(prefix + member, data)
    for tree in (FolderTree(tmp_path / "in"), *(ZipTree(tmp_path / name) for name in buffers)):
        assert tree.names == ["train/1.png", "trainLabels.csv"]
        with tree.open("train/1.png") as file:
            assert file.read() == b"one"


def test_a_broken_zip_is_one_line(tmp_path: Path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match=r"a\.zip: not a whole zip file"):
        ZipTree(tmp_path / "a.zip")


def test_a_zip_with_a_folder_of_images_alone_keeps_it(tmp_path: Path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("train/frog/1.png", b"")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    assert ZipTree(tmp_path / "a.zip").names == ["train/frog/1.png"]
