import io
import zipfile
from pathlib import Path

import pytest

from cifar10.competition import file_trees
from cifar10.competition.file_trees import FolderTree, ZipTree, is_image
from cifar10.core.config import InputError


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


@pytest.mark.parametrize(("name", "limit"), [("train.7z", "MAX_FILE_BYTES"), ("train/1.png", "MAX_ENCODED_BYTES")])
def test_a_member_of_a_zip_larger_than_any_real_one_is_not_read(tmp_path: Path, monkeypatch, name, limit):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(1000))
        archive.writestr("trainLabels.csv", b"id,label\n")
    monkeypatch.setattr(file_trees, limit, 1000)
    with ZipTree(tmp_path / "a.zip").open(name) as file:
        assert len(file.read()) == 1000
    monkeypatch.setattr(file_trees, limit, 999)
    refusal = pytest.raises(InputError, match=rf"a\.zip: {name} has 1,000 bytes; at most 999 are read")
    with refusal, ZipTree(tmp_path / "a.zip").open(name):
        pass
