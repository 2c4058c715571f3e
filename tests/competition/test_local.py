"""Folders and archives as people have them: what each image becomes, what is left out and what is said of it."""

import gc
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torchvision
from conftest import tiny_image, write_params
from test_competition import canonical_archive, config, table

from cifar10 import competition
from cifar10.core.config import InputError
from cifar10.images.archives import open_images
from cifar10.images.codec import encode_png
from cifar10.images.origins import read_origins
from cifar10.stages import prepare

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
    "words around the parts": (
        {n.replace("train/", "seg_train/seg_train/"): i for n, i in CLASSES.items()}
        | {"seg_test/seg_test/3.png": 5, "seg_pred/4.png": 6},
        {3: 5},
    ),
    "a year behind the parts": (
        {n.replace("train/", "train2017/"): i for n, i in CLASSES.items()} | {"test2017/3.png": 5},
        {3: 5},
    ),
    "class called train station": (
        {
            n.replace("train/dog", "train_station"): i
            for n, i in {m.replace("train/cat", "cat"): i for m, i in CLASSES.items()}.items()
        },
        {},
    ),
    "numbers that repeat": ({n.replace("/a", "/1").replace("/b", "/01"): i for n, i in CLASSES.items()}, {}),
    "validation by folder": (
        {n: i for n, i in NUMBERED.items() if n not in ("train/3.png", "train/4.png")}
        | {"trainLabels.csv": "id,label\n1,cat\n2,dog\n"}
        | {"valid/cat/3.png": 3, "valid/dog/4.png": 4},
        OWN_IDS,
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
    dog = {"class called test": "test", "class called train station": "train_station"}.get(name, "dog")
    assert labels == {image: label.replace("dog", dog) for image, label in EXPECTED.items()}
    assert found == test
    origins = read_origins(tmp_path / "raw", "in")
    for number, image in test.items():
        assert files[origins.images["test", number]] == image
    assert {files[name] for (part, _), name in origins.images.items() if part == "train"} == set(EXPECTED)


SAID: dict[str, tuple[Files, list[str]]] = {
    "other endings, and a class lost": (
        CLASSES | {f"train/frog/{i}.heic": "x" for i in range(7)} | {"train/stray.png": 5},
        [
            "train/: 4 training images of 2 classes",
            "8 files of train/ left out: .heic 7, no class folder 1; classes without an image: frog",
        ],
    ),
    "deeper folders": (
        CLASSES | {"train/cat/old/c.png": 5},
        ["train/: 1 image in deeper folders: the first folder tells the class"],
    ),
    "deeper beside a table": (
        NUMBERED | TABLE | {"train/more/5.png": 5},
        ["1 file of train/ left out: deeper folders 1"],
    ),
    "validation without classes": (
        CLASSES | {"val/1.png": 5},
        ["val/: 0 images, none is used for validation", "1 file of val/ left out: no class folder 1"],
    ),
    "test images of another format": (CLASSES | {"test/1.heic": "x"}, ["1 file of test/ left out: .heic 1"]),
    "other folders": (
        CLASSES | {"extra/1.png": 5, "readme.txt": "x"},
        ["2 other files left out: extra 1, readme.txt 1"],
    ),
    "a table beside classes": (
        CLASSES | {"trainLabels.csv": LABELS},
        ["trainLabels.csv is not used: the folders tell"],
    ),
    "ids that were given": (CLASSES | {"test/b.png": 5, "test/a.png": 6}, ["test/: ids 1 to 2 given, as names do not"]),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], name):
    files, lines = SAID[name]
    fetch(tmp_path, write(tmp_path / "in", files))
    said = capsys.readouterr().out
    assert all(line in said for line in lines), said


ROWS = "id,label\n1,cat\n2,cat\n"
REFUSED: dict[str, tuple[Files, str]] = {
    "bad table": (NUMBERED | {"trainLabels.csv": "id,label\n1,cat\n2;dog\n"}, "/trainLabels.csv: line 3: expected 2"),
    "another name": (NUMBERED | {"labels.csv": LABELS}, "found labels.csv; is it trainLabels.csv?"),
    "no labels": (NUMBERED, "/train: no training images of known class (no class folder 4)"),
    "no training images": ({"test/1.png": 1}, ": holds no competition (found test)"),
    "two data sets": ({f"{root}/{n}": i for root in "ab" for n, i in CLASSES.items()}, ": several data sets (a/, b/)"),
    "parts as classes": (
        {"f1_train/a.png": 1, "f2_train/a.png": 2, "x_test/a.png": 3},
        ": holds no competition (found f1_train, f2_train",
    ),
    "class of the test images alone": (
        CLASSES | {"test/cat/1.png": 5, "test/Dog/2.png": 6},
        "/test/Dog: the training images have no class",
    ),
    "no such class name": (
        {n.replace("dog", "dog "): i for n, i in CLASSES.items()},
        "/train/dog : this folder",
    ),
    "id twice": (
        CLASSES | {"test/1.png": 5, "test/01.png": 6},
        "/test/1.png: id 1 is there twice (first as test/01.png)",
    ),
    "id twice by a table": (NUMBERED | TABLE | {"val/3.png": 5}, "/val/3.png: id 3 is there twice (first as train/3"),
    "sample of other images": (
        CLASSES | {"test/1.png": 5, "sampleSubmission.csv": ROWS},
        "/sampleSubmission.csv: id 2: ",
    ),
    "sample of nameless images": (
        CLASSES | {"test/a.png": 5, "test/b.png": 6, "sampleSubmission.csv": ROWS},
        "/test/a.png is not named by its id",
    ),
    "solution that contradicts": (
        CLASSES | {"test/cat/1.png": 5, "test/dog/2.png": 6, "solution.csv": ROWS},
        "/solution.csv: id 2 is 'cat', but the image lies in ",
    ),
    "table that contradicts": (
        {f"train/{label}/{i}.png": i for i, label in EXPECTED.items()} | {"trainLabels.csv": "id,label\n2,cat\n"},
        "/trainLabels.csv: id 2 is 'cat', but the image lies in ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_told_by_the_users_own_name(tmp_path: Path, name):
    files, expected = REFUSED[name]
    with pytest.raises(InputError) as error:
        fetch(tmp_path, write(tmp_path / "in", files))
    assert str(error.value).startswith(str(tmp_path / "in"))
    assert expected in str(error.value)
    assert ".incoming" not in str(error.value)


def test_folders_whose_names_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """One around everything is no obstacle, a class is refused."""
    root = tmp_path / "in" / os.fsdecode(b"caf\xe9")
    write(root, CLASSES | {"test/a\rb.png": 5, os.fsdecode(b"test/\xe9.png"): 6})
    assert fetch(tmp_path, tmp_path / "in") == (EXPECTED, {1: 5, 2: 6})
    assert "caf\\xe9/train/: 4 training images" in capsys.readouterr().out
    assert read_origins(tmp_path / "raw", "in").images["test", 1] == "caf\\xe9/test/a\\rb.png"
    (root / "train/cat").rename(root / "train" / os.fsdecode(b"c\xe2t"))
    with pytest.raises(InputError, match=r"/train/c\\xe2t: this folder's name cannot be a class"):
        fetch(tmp_path, tmp_path / "in")


def test_parts_and_tables_are_taken_out_of_their_archives(tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    for part in ("train", "test"):
        (folder / f"{part}.zip").write_bytes(zip_of({n: i for n, i in NUMBERED.items() if n.startswith(part)}))
    (folder / "trainLabels.csv.zip").write_bytes(zip_of(TABLE))
    assert fetch(tmp_path, folder) == (EXPECTED, OWN_IDS)
    assert read_origins(tmp_path / "raw", "in").images["test", 7] == "test.zip/test/7.png"
    (tmp_path / "all.zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    assert fetch(tmp_path, tmp_path / "all.zip") == (EXPECTED, OWN_IDS)


@pytest.mark.parametrize("form", ["folder", "tar.gz"])
def test_the_canonical_archive_is_taken_if_it_is_the_published_one(tmp_path: Path, monkeypatch, form):
    for name, value in canonical_archive(tmp_path / "in").items():
        monkeypatch.setattr(torchvision.datasets.CIFAR10, name, value)
    archive = tmp_path / "in/cifar-10-python.tar.gz"
    if form == "folder":
        with tarfile.open(archive) as opened:
            opened.extractall(tmp_path / "in", filter="data")
        archive.unlink()
    raw = tmp_path / "raw"
    competition.fetch(config("local", tmp_path / "in"), raw)
    assert [table(raw / "trainLabels.csv")[i] for i in (1, 5, 9)] == ["airplane", "automobile", "bird"]
    assert list(table(raw / "solution.csv").values()) == ["dog", "automobile", "bird", "cat"]
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "test_list", [["test_batch", "0" * 32]])
    with pytest.raises(InputError, match=r"cifar-10-batches-py: not the published CIFAR-10"):
        competition.fetch(config("local", tmp_path / "in"), raw)


LATER: dict[str, tuple[Files, str]] = {
    "damaged": ({"train/dog/b.png": "oops"}, "in/train/dog/b.png: not a readable PNG image"),
    "a single image": ({"train/frog/a.png": 5}, "in/train: the class 'frog' has one image only"),
    "damaged test image": ({"test/x/a.png": "oops"}, "in/test/x/a.png: not a readable PNG image"),
    "unknown class in a table": (
        {"test/1.png": 5, "solution.csv": "id,label\n1,mauve\n"},
        "in/solution.csv: the label 'mauve' is not among the classes of in/train",
    ),
}


@pytest.mark.parametrize("name", LATER)
def test_what_prepare_refuses_is_told_by_the_users_own_name(tmp_path: Path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    files, expected = LATER[name]
    write(tmp_path / "in", CLASSES | files)
    write_params(tmp_path / "params.yaml", {"data.source": "local", "data.path": "in", "data.val_fraction": 0.5})
    competition.fetch(config("local", Path("in")), Path("raw"))
    with pytest.raises(InputError) as error:
        prepare.main(Path("raw"), Path("prepared"), Path("data.json"))
    assert str(error.value).startswith(expected)
    assert str(error.value).endswith("run `dvc repro -f download`")
