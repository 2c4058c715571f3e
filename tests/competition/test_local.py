"""Folders and archives as people have them: what each image becomes, what is left out and what is said of it."""

import gc
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import tiny_image
from test_competition import config, table

from cifar10 import competition
from cifar10.images.archives import open_images
from cifar10.images.codec import encode_png
from cifar10.images.origins import read_origins

PNG = {number: encode_png(tiny_image(number, number % 3)) for number in range(1, 13)}
NUMBER = {data: number for number, data in PNG.items()}
LABELS = "id,label\r\n1,cat\r\n2,dog\r\n3,cat\r\n4,dog\r\n"

# A folder is a dict: an image's number, or a text.
Files = dict[str, int | str]
NUMBERED: Files = {**{f"train/{i}.png": i for i in range(1, 5)}, "test/1.png": 5, "test/7.png": 6}
CLASSES: Files = {"train/cat/a.png": 1, "train/dog/a.png": 2, "train/cat/b.png": 3, "train/dog/b.png": 4}
TABLE: Files = {"trainLabels.csv": LABELS}
OWN_IDS = {1: 5, 7: 6}
EXPECTED = {1: "cat", 2: "dog", 3: "cat", 4: "dog"}


def content(value: int | str) -> bytes:
    return PNG[value] if isinstance(value, int) else value.encode()


def write(root: Path, files: Files) -> Path:
    for name, value in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content(value))
    return root


def zip_of(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in files.items():
            archive.writestr(name, content(value))
    return buffer.getvalue()


def tar_of(files: Files) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, value in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content(value))
            archive.addfile(info, io.BytesIO(content(value)))
    return buffer.getvalue()


@pytest.fixture(scope="module", autouse=True)
def frozen() -> Iterator[None]:
    """Each archive's header is followed by a collection, which need not go through all libraries again."""
    gc.freeze()
    yield
    gc.unfreeze()


def images(archive: Path) -> dict[int, int]:
    """Id -> number of the image."""
    with open_images(archive).read() as members:
        return {member.id: NUMBER[data] for member, data in members}


def fetch(tmp_path: Path, path: Path) -> tuple[dict[int, str], dict[int, int]]:
    """The labels by image, and the test images by id, of what `download` makes of a folder or file."""
    raw = tmp_path / "raw"
    competition.fetch(config("local", path), raw)
    labels = table(raw / "trainLabels.csv")
    train, test = images(raw / "train.7z"), images(raw / "test.7z")
    assert labels.keys() == train.keys()
    assert table(raw / "sampleSubmission.csv").keys() <= test.keys()
    return {number: labels[i] for i, number in train.items()}, test


LAYOUTS: dict[str, tuple[Files, dict[int, int]]] = {
    "numbered": (NUMBERED | TABLE, OWN_IDS),
    "unpacked twice": (
        {"train/train/" + n[6:] if n.startswith("train/") else "test/test/" + n[5:]: i for n, i in NUMBERED.items()}
        | TABLE,
        OWN_IDS,
    ),
    "one folder around": (
        {f"cifar-10/{n}": i for n, i in NUMBERED.items()} | {"cifar-10/trainLabels.csv": LABELS},
        OWN_IDS,
    ),
    "two folders around, the table above": (
        {f"a/b/{n}": i for n, i in NUMBERED.items()} | {"trainLabels.csv": LABELS, "readme.txt": "x"},
        OWN_IDS,
    ),
    "table beside the images": (NUMBERED | {"train/trainLabels.csv": LABELS}, OWN_IDS),
    "table spelled otherwise": (NUMBERED | {"train_labels.csv": LABELS}, OWN_IDS),
    "capitals": ({n.upper(): i for n, i in NUMBERED.items()} | TABLE, OWN_IDS),
    "zeros in front": (
        {f"train/000{i}.png": i for i in range(1, 5)} | {"test/0300000.png": 5, "trainLabels.csv": LABELS},
        {300000: 5},
    ),
    "no folder train": ({f"{i}.png": i for i in range(1, 5)} | TABLE, {}),
    "test below unknown": ({n.replace("test/", "test/unknown/"): i for n, i in NUMBERED.items()} | TABLE, OWN_IDS),
    "d2l": (CLASSES | {"test/unknown/10.png": 7, "test/unknown/2.png": 8, "train_valid/cat/a.png": 1}, {2: 8, 10: 7}),
    "d2l, from its root": (
        NUMBERED
        | {"trainLabels.csv": LABELS, "train_valid_test/train/cat/1.png": 1, "train_valid_test/test/unknown/1.png": 5},
        OWN_IDS,
    ),
    "ids with gaps": (
        CLASSES | {"test/1.png": 5, "test/2.png": 6, "test/4.png": 7, "test/300000.png": 8},
        {1: 5, 2: 6, 4: 7, 300000: 8},
    ),
    "ids, some": (CLASSES | {"test/b.png": 5, "test/12.png": 6, "test/a.png": 7}, {12: 6, 13: 7, 14: 5}),
    "ids, other digits": (CLASSES | {"test/3\u00b24.png": 5, "test/\u0663.png": 6}, {1: 5, 2: 6}),
    "ids, too long": (CLASSES | {f"test/{'9' * 30}.png": 5, "test/3.png": 6}, {3: 6, 4: 5}),
    "test by class": (CLASSES | {"test/cat/1.png": 5, "test/dog/1.png": 6}, {1: 5, 2: 6}),
    "test by class, of ids": (CLASSES | {"test/cat/8.png": 5, "test/dog/9.png": 6}, {8: 5, 9: 6}),
    "ImageFolder without parts": ({n.removeprefix("train/"): i for n, i in CLASSES.items()}, {}),
    "a folder deeper": ({n.replace("/a", "/images/a"): i for n, i in CLASSES.items()}, {}),
    "a folder between": ({n.replace("train/", "train/images/"): i for n, i in CLASSES.items()}, {}),
    "classes unpacked twice": ({n.replace("train/", "Train/train/"): i for n, i in CLASSES.items()}, {}),
    "litter": (
        CLASSES
        | {
            "train/.DS_Store": "x",
            "train/cat/Thumbs.db": "x",
            "train/.ipynb_checkpoints/a.png": 5,
            "__MACOSX/train/cat/._a.png": "x",
            "desktop.ini": "x",
            "test/._1.png": "x",
            "test/1.png": 6,
        },
        {1: 6},
    ),
    "class called test": ({n.replace("dog", "test"): i for n, i in CLASSES.items()}, {}),
}


FORMS = {
    "folder": lambda path, files: write(path, files),
    "zip": lambda path, files: path.write_bytes(zip_of(files)),
    "zip of Windows": lambda path, files: path.write_bytes(
        zip_of({name.replace("/", "\\"): value for name, value in files.items()})
    ),
    "tar.gz": lambda path, files: path.write_bytes(tar_of(files)),
}
FORMS_OF = [(name, "folder") for name in LAYOUTS]
FORMS_OF += [(name, form) for name in ("one folder around", "d2l") for form in FORMS if form != "folder"]


@pytest.mark.parametrize(("name", "form"), FORMS_OF)
def test_common_layouts_are_taken(tmp_path: Path, name, form):
    files, test = LAYOUTS[name]
    FORMS[form](tmp_path / "in", files)
    labels, found = fetch(tmp_path, tmp_path / "in")
    assert labels == {k: v if name != "class called test" else v.replace("dog", "test") for k, v in EXPECTED.items()}
    assert found == test
    origins = read_origins(tmp_path / "raw", "in")
    for number, image in test.items():
        assert files[origins.images["test", number]] == image
    assert {files[name] for (part, _), name in origins.images.items() if part == "train"} == set(EXPECTED)
