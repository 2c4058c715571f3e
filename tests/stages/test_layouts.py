"""People's own folders through the real dvc, from the files to the arrays: ids, classes, sizes, what is left out."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_image, write_params
from PIL import Image
from tiny_repository import tiny_repository

from cifar10.core.tables import read_table
from cifar10.data.dataset import load_prepared

CLASSES = ("cat", "dog")
IMAGES_OF_A_CLASS = 10
TEST_IDS = (1, 2, 4, 8, 300_000)


def save(path: Path, number: int, label: int, size: int = 32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(tiny_image(number, label).transpose(1, 2, 0)).resize((size, size)).save(path)


def class_folders(root: Path, ending: str = ".png", size: int = 32) -> None:
    """`train/<class>/name` and `test/id`."""
    for label, name in enumerate(CLASSES):
        for number in range(IMAGES_OF_A_CLASS):
            save(root / f"train/{name}/{name}_{number}{ending}", 100 * label + number, label, size)
    for number in TEST_IDS:
        save(root / f"test/{number}{ending}", number, number % 2, size)


def d2l(root: Path) -> None:
    """A validation part of the user's own, and test images in a folder that is no class."""
    class_folders(root)
    (root / "test").rename(root / "unknown")
    (root / "test").mkdir()
    (root / "unknown").rename(root / "test/unknown")
    for number, name in enumerate(CLASSES):
        save(root / f"valid/{name}/1.png", 500 + number, number)


def unpacked_twice(root: Path) -> None:
    """Kaggle's archives, each in a folder of its own name; its table of labels beside them."""
    rows = ["id,label"]
    for number in range(1, 2 * IMAGES_OF_A_CLASS + 1):
        save(root / f"train/train/{number}.png", number, number % 2)
        rows.append(f"{number},{CLASSES[number % 2]}")
    for number in TEST_IDS:
        save(root / f"test/test/{number}.png", number, number % 2)
    (root / "trainLabels.csv").write_text("\r\n".join([*rows, ""]))


def linked(root: Path) -> None:
    """A class that is a symbolic link, one in another format, a file that is no image."""
    class_folders(root)
    (root / "train/dog").rename(root.with_name("elsewhere"))
    (root / "train/dog").symlink_to(root.with_name("elsewhere"))
    for path in sorted((root / "train/cat").iterdir()):
        Image.open(path).save(path.with_suffix(".webp"), lossless=True)
        path.unlink()
    (root / "train/cat/notes.txt").write_text("mine")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("layouts") / "repository"
    folder.mkdir()
    return folder, tiny_repository(folder, {}, {})[1]


@pytest.mark.parametrize(
    ("build", "settings", "validation", "said"),
    [
        (class_folders, {}, 4, "test/: 5 test images"),
        (d2l, {}, 2, "valid/: 2 images, the validation part"),
        (unpacked_twice, {}, 4, "test/: 5 test images"),
        (linked, {}, 4, "1 file of train/ left out: .txt 1"),
        (lambda root: class_folders(root, ".jpg", size=96), {"data.resize": True}, 4, "test/: 5 test images"),
    ],
    ids=["class folders", "d2l", "unpacked twice", "links and formats", "other sizes"],
)
def test_a_layout_goes_through_dvc(repository, tmp_path: Path, build, settings, validation, said):
    folder, run = repository
    build(tmp_path / "mine")
    write_params(folder / "params.yaml", {"data.source": "local", "data.path": str(tmp_path / "mine"), **settings})
    assert said in run("dvc", "repro", "prepare")
    data = load_prepared(folder / "data/prepared")
    assert data.classes == list(CLASSES)
    assert len(data.val_rows) == validation
    assert np.bincount(data.labelled.labels).tolist() == [len(data.labelled) // 2] * 2
    assert data.test.ids.tolist() == list(TEST_IDS)
    assert tuple(read_table(folder / "data/raw/sampleSubmission.csv")["id"]) == TEST_IDS
    # Every image is its own: the class's channel is the bright one.
    bright = data.labelled.images.reshape(len(data.labelled), 3, -1).mean(2).argmax(1)
    assert (bright == 2 - data.labelled.labels).all()
    shutil.rmtree(tmp_path / "mine")
