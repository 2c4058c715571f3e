"""The stage `prepare` on good and bad competitions: what is wrong is one line, and the old output stays."""

import json
import threading
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import py7zr
import pytest
from conftest import CLASSES, NUM_TRAIN, tiny_image, tiny_members, write_params, write_tiny
from py7zr.io import BytesIOFactory

from cifar10 import competition
from cifar10.core.config import DataConfig, InputError, load_config
from cifar10.data.dataset import load_prepared
from cifar10.images.archives import ImageArchive
from cifar10.images.codec import decode_image, encode_png
from cifar10.images.seven_zip import write_7z
from cifar10.preparation import arrays
from cifar10.stages import prepare


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path / "params.yaml", {})
    return tmp_path


def run(here: Path) -> None:
    prepare.main(here / "raw", here / "prepared", here / "data.json")


def test_archive_order_does_not_matter(here: Path):
    """Kaggle's ids sort as text in the archive: 1, 10, 11, ..., 2."""
    by_text = sorted(tiny_members("train", NUM_TRAIN))
    assert by_text[1][0] == "train/10.png"
    write_tiny(here / "raw", train=by_text)
    run(here)
    images = load_prepared(here / "prepared").labelled.images
    assert all((images[i - 1] == tiny_image(i, i % 3)).all() for i in range(1, NUM_TRAIN + 1))


def test_without_validation_everything_is_training(here: Path):
    write_params(here / "params.yaml", {"data.val_fraction": 0})
    write_tiny(here / "raw")
    run(here)
    data = load_prepared(here / "prepared")
    assert len(data.train) == NUM_TRAIN
    assert len(data.val) == 0
    assert json.loads((here / "data.json").read_text())["validation"]["images"] == 0


def test_pixels_are_normalised_with_what_the_recipe_says_and_the_card_has_the_images_own(here: Path):
    write_tiny(here / "raw")
    run(here)
    own, card = load_prepared(here / "prepared").mean, (here / "data.json").read_text()
    write_params(here / "params.yaml", {"data.normalization": [[0.5, 0.5, 0.5], [0.2, 0.25, 0.5]]})
    run(here)
    data = load_prepared(here / "prepared")
    assert (data.mean, data.std) == ([0.5, 0.5, 0.5], [0.2, 0.25, 0.5])
    assert own != data.mean
    assert (here / "data.json").read_text() == card


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([[0.5] * 3], r"normalization: list should have at least 2 items"),
        ([[0.5] * 3, [0.5, 0.0, 0.5]], r"normalization: the second list, deviations, should be above 0"),
        ([[0.5] * 3, [0.5] * 2], r"normalization\.1: list should have at least 3 items"),
    ],
)
def test_a_normalization_that_cannot_be_is_one_line(here: Path, value, told):
    write_params(here / "params.yaml", {"data.normalization": value})
    with pytest.raises(InputError, match=rf"^params\.yaml: data\.{told}"):
        run(here)


def test_exact_duplicates_are_found_and_kept_together(here: Path):
    members = tiny_members("train", NUM_TRAIN)
    for number in range(25, 49):  # the second half repeats the first
        members[number - 1] = (f"train/{number}.png", encode_png(tiny_image(number - 24, (number - 24) % 3)))
    write_tiny(here / "raw", train=members)
    run(here)
    data = load_prepared(here / "prepared")
    assert {(i - 1) % 24 for i in data.train.ids}.isdisjoint((i - 1) % 24 for i in data.val.ids)
    assert json.loads((here / "data.json").read_text())["exact_duplicates"]["groups"] == 24


def test_near_duplicates_are_kept_together_and_their_labels_compared(here: Path):
    """The second half repeats the first, darker; ids 24 and 48 have labels of different classes, by mistake."""
    members = tiny_members("train", NUM_TRAIN)
    for number in range(25, 49):
        darker = (tiny_image(number - 24, (number - 24) % 3) * 0.9).astype(np.uint8)
        members[number - 1] = (f"train/{number}.png", encode_png(darker))
    labels = {i: CLASSES[i % 3] for i in range(1, NUM_TRAIN)} | {48: CLASSES[1]}
    write_tiny(here / "raw", train=members, train_labels=labels)
    run(here)
    data, card = load_prepared(here / "prepared"), json.loads((here / "data.json").read_text())
    assert {(i - 1) % 24 for i in data.train.ids}.isdisjoint((i - 1) % 24 for i in data.val.ids)
    assert abs(len(data.val) - 10) <= len(CLASSES)  # pairs cannot fill an odd number
    assert card["exact_duplicates"]["groups"] == 0
    assert card["near_duplicates"]["groups"] == 24
    assert card["near_duplicates"]["different_labels"] == [{"24": "blue", "48": "green"}]


def test_unknown_test_labels_are_marked(here: Path):
    write_tiny(here / "raw", test_labels={3: "red"})
    run(here)
    assert load_prepared(here / "prepared").test.labels.tolist() == [-1, -1, 2] + [-1] * 9


def test_a_competition_without_test_images_is_prepared(here: Path):
    write_tiny(here / "raw", test=[], test_ids=[], test_labels={})
    run(here)
    data = load_prepared(here / "prepared")
    assert data.test.images.shape == (0, 3, 32, 32)
    assert len(data.labelled) == NUM_TRAIN


def plain_read(archive: ImageArchive):
    """What `ImageArchive.read` yields, by py7zr's own way of extracting."""
    factory = BytesIOFactory(1 << 20)
    with py7zr.SevenZipFile(archive.path) as opened:
        opened.extractall(factory=factory)
    return nullcontext((member, factory.products[member.name].read()) for member in archive.members)


def test_the_quick_path_and_the_plain_one_give_the_same_files(here: Path, monkeypatch):
    competition.fetch(load_config(DataConfig, section="data"), here / "raw")  # the digits
    run(here)
    (here / "prepared").rename(here / "quick")
    quick_card = (here / "data.json").read_bytes()
    monkeypatch.setattr(ImageArchive, "read", plain_read)
    monkeypatch.setattr(
        arrays, "decode_images", lambda batch, _: np.stack([decode_image(*pair[::-1]) for pair in batch])
    )
    run(here)
    names = sorted(path.name for path in (here / "quick").iterdir())
    assert names == sorted(path.name for path in (here / "prepared").iterdir())
    assert all((here / "quick" / name).read_bytes() == (here / "prepared" / name).read_bytes() for name in names)
    assert (here / "data.json").read_bytes() == quick_card


def test_the_first_thing_wrong_in_the_archives_order_is_told(here: Path, monkeypatch):
    """Two bad images, then a damaged member; labelled images before test images."""
    monkeypatch.setattr(arrays, "BATCH_SIZE", 7)
    members = tiny_members("train", NUM_TRAIN)
    write_tiny(here / "raw", train=members, test=[("test/1.png", b"oops")], test_ids=[1], test_labels={})
    for number, expected in (
        (40, "wrong checksum of train/40.png"),
        (33, "train/33.png: not a readable PNG image"),
        (30, "train/30.png: not a readable PNG image"),
    ):
        members[number - 1] = (f"train/{number}.png", b"oops")
        write_7z(here / "raw/train.7z", members, compress=False)
        whole = bytearray((here / "raw/train.7z").read_bytes())
        whole[32 + sum(len(data) for _, data in members[:39])] ^= 1
        (here / "raw/train.7z").write_bytes(whole)
        with pytest.raises(InputError, match=expected):
            run(here)
    assert sorted(path.name for path in here.iterdir()) == ["params.yaml", "raw"]


def test_an_interruption_leaves_no_thread_and_nothing_half_written(here: Path, monkeypatch):
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    write_tiny(here / "raw")
    monkeypatch.setattr(arrays, "decode_images", interrupt)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run(here)
    assert threading.active_count() == before
    assert sorted(path.name for path in here.iterdir()) == ["params.yaml", "raw"]


def test_classes_come_from_the_label_file(here: Path):
    names = ("zebra", "NA", "3")
    write_tiny(here / "raw", train_labels={i: names[i % 3] for i in range(1, NUM_TRAIN + 1)}, test_labels={1: names[1]})
    run(here)
    assert load_prepared(here / "prepared").classes == ["3", "NA", "zebra"]
    assert set(CLASSES).isdisjoint(load_prepared(here / "prepared").classes)
