import hashlib
import io
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torchvision
from conftest import CLASSES, NUM_TEST, NUM_TRAIN, read_default_params, tiny_image, tiny_members, write_tiny

from cifar10 import competition
from cifar10.competition.sample import LABELS, load_images
from cifar10.core.config import DataConfig, InputError
from cifar10.core.tables import read_table
from cifar10.images.archives import open_images
from cifar10.images.codec import decode_image


def config(source: str, path: Path | None = None) -> DataConfig:
    values = {"source": source, "path": str(path) if path else None}
    return DataConfig.model_validate({**read_default_params()["data"], **values})


def pixels(archive: Path) -> dict[int, np.ndarray]:
    with open_images(archive).read() as members:
        return {member.id: decode_image(data, member.name) for member, data in members}


def table(path: Path) -> dict[int, str]:
    rows = read_table(path)
    return dict(zip(rows["id"].tolist(), rows["label"].tolist(), strict=True))


def write_folders(root: Path, numbered: bool) -> Path:
    """The tiny competition as image files: `train/7.png` with a label file, or `train/red/x7.png`."""
    for part, count, first in (("train", NUM_TRAIN, 0), ("test", NUM_TEST, 1000)):
        for number, (name, data) in enumerate(tiny_members(part, count, first), 1):
            label = CLASSES[number % 3]
            path = root / (name if numbered else f"{part}/{label}/x{number}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    if numbered:
        rows = "".join(f"{i},{CLASSES[i % 3]}\r\n" for i in range(1, NUM_TRAIN + 1))
        (root / "trainLabels.csv").write_bytes(b"id,label\r\n" + rows.encode())
    return root


def zipped(folder: Path, path: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


@pytest.mark.parametrize("layout", ["four-files", "kaggle-zip", "folder-of-the-zip", "numbered", "numbered-zip"])
def test_every_local_layout_gives_the_same_competition(tmp_path: Path, layout):
    five = write_tiny(tmp_path / "five")
    (five / "sampleSubmission.csv").unlink()
    (five / "solution.csv").unlink()
    (five / "origins.csv").unlink()
    path = {
        "four-files": lambda: five,
        "kaggle-zip": lambda: zipped(five, tmp_path / "cifar-10.zip"),
        "folder-of-the-zip": lambda: zipped(five, tmp_path / "cifar-10.zip").parent,
        "numbered": lambda: write_folders(tmp_path / "in", numbered=True),
        "numbered-zip": lambda: zipped(write_folders(tmp_path / "in", True), tmp_path / "x.zip", "cifar/"),
    }[layout]()
    if layout == "folder-of-the-zip":
        shutil.rmtree(five)
    raw = tmp_path / "raw"
    competition.fetch(config("local", path), raw)
    assert sorted(p.name for p in raw.iterdir()) == sorted(competition.FILES)
    train, test = pixels(raw / "train.7z"), pixels(raw / "test.7z")
    assert all((train[i] == tiny_image(i, i % 3)).all() for i in range(1, NUM_TRAIN + 1))
    assert all((test[i] == tiny_image(1000 + i, i % 3)).all() for i in range(1, NUM_TEST + 1))
    assert table(raw / "trainLabels.csv") == {i: CLASSES[i % 3] for i in range(1, NUM_TRAIN + 1)}
    assert table(raw / "sampleSubmission.csv") == dict.fromkeys(range(1, NUM_TEST + 1), "blue")
    assert (raw / "solution.csv").read_bytes() == b"id,label\r\n"


def test_class_folders_are_numbered_in_natural_order(tmp_path: Path):
    raw = tmp_path / "raw"
    competition.fetch(config("local", write_folders(tmp_path / "in", numbered=False)), raw)
    train, labels = pixels(raw / "train.7z"), table(raw / "trainLabels.csv")
    blue = [i for i in range(1, NUM_TRAIN + 1) if i % 3 == 0]  # 3, 6, 9, 12, ...: x12 comes after x9
    assert [labels[i] for i in range(1, len(blue) + 1)] == ["blue"] * len(blue)
    assert all((train[k] == tiny_image(i, 0)).all() for k, i in enumerate(blue, 1))
    assert table(raw / "solution.csv").keys() == set(range(1, NUM_TEST + 1))
    assert list(pixels(raw / "test.7z")) == list(range(1, NUM_TEST + 1))


def test_class_folders_without_test_images_have_nothing_to_submit(tmp_path: Path):
    folder = write_folders(tmp_path / "in", numbered=False)
    shutil.rmtree(folder / "test")
    competition.fetch(config("local", folder), tmp_path / "raw")
    assert open_images(tmp_path / "raw" / "test.7z").members == []
    assert len(read_table(tmp_path / "raw" / "sampleSubmission.csv")) == 0


def test_the_users_own_tables_stay_as_they_are(tmp_path: Path):
    folder = write_folders(tmp_path / "in", numbered=True)
    own = b"id,label\n" + b"".join(b"%d,red\n" % i for i in range(NUM_TEST, 0, -1))
    (folder / "sampleSubmission.csv").write_bytes(own)
    competition.fetch(config("local", folder), tmp_path / "raw")
    assert (tmp_path / "raw" / "sampleSubmission.csv").read_bytes() == own


def misnamed(root: Path) -> Path:
    shutil.copy(write_folders(root, True) / "train/1.png", root / "train/one.png")
    return root


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda p: None, "params.yaml: data.path: the source `local` needs a folder or a zip file here"),
        (lambda p: p / "nowhere", "params.yaml: data.path: {path} does not exist"),
        (lambda p: p, "{path}: holds no competition (found nothing); expected train/<class>/*.png, train/1"),
        (lambda p: write_folders(p, True) / "trainLabels.csv", "{path}: neither a folder nor a whole zip or tar file"),
        (misnamed, "{path}/train/one.png: not named by its id (train/17.png)"),
    ],
    ids=["none", "missing", "empty", "not-a-zip", "bad-name"],
)
def test_a_local_path_that_will_not_do_is_one_line_and_leaves_nothing(tmp_path: Path, make, expected):
    (tmp_path / "in").mkdir()
    path = make(tmp_path / "in")
    raw = tmp_path / "raw"
    with pytest.raises(InputError) as error:
        competition.fetch(config("local", path), raw)
    assert str(error.value).startswith(expected.format(path=path))
    assert list(raw.iterdir()) == []


def test_a_zip_with_a_flipped_byte_is_one_line(tmp_path: Path):
    path = zipped(write_folders(tmp_path / "in", True), tmp_path / "x.zip")
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 100] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.zip/(train|test)/\d+\.png: damaged \(Bad CRC-32"):
        competition.fetch(config("local", path), tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


def test_an_unknown_source_lists_the_sources(tmp_path: Path):
    with pytest.raises(
        InputError, match=r"data\.source: choose one of sample, local, torchvision, kaggle, not 'kagle'"
    ):
        competition.fetch(config("kagle"), tmp_path / "raw")


def test_a_source_that_fails_half_way_keeps_the_earlier_files(tmp_path: Path, monkeypatch):
    raw = tmp_path / "raw"
    competition.fetch(config("local", write_folders(tmp_path / "in", True)), raw)
    before = {path.name: path.read_bytes() for path in raw.iterdir()}

    def half(config: DataConfig, out: Path, downloads: Path) -> None:
        (out / "train.7z").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(competition.SOURCES, "local", half)
    with pytest.raises(OSError, match="disk full"):
        competition.fetch(config("local"), raw)
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == before


def test_the_sample_is_all_of_scikit_learns_digits(tmp_path: Path):
    raw = tmp_path / "raw"
    competition.fetch(config("sample"), raw)
    train, labels = pixels(raw / "train.7z"), table(raw / "trainLabels.csv")
    test, solution = pixels(raw / "test.7z"), table(raw / "solution.csv")
    images, digits = load_images()
    expected = {image.tobytes(): LABELS[digit] for image, digit in zip(images, digits, strict=True)}
    assert len(train) == 1437
    assert len(test) == len(read_table(raw / "sampleSubmission.csv")) == 360
    found = [(train[i].tobytes(), labels[i]) for i in train] + [(test[i].tobytes(), solution[i]) for i in test]
    assert sorted(data for data, _ in found) == sorted(image.tobytes() for image in images)
    assert all(expected[data] == label for data, label in found)
    assert read_table(raw / "trainLabels.csv")["label"].nunique() == 10
    assert b"\r\n" in (raw / "trainLabels.csv").read_bytes()


def canonical_archive(folder: Path) -> dict[str, list[list[str]]]:
    """A small `cifar-10-python.tar.gz` in the published form: five training batches of four images, one test batch."""
    members: dict[str, bytes] = {}
    rng = np.random.default_rng(0)
    for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        batch = {"data": rng.integers(0, 256, (4, 3072), dtype=np.uint8), "labels": [k, 1, 2, 3]}
        members[name] = pickle.dumps(batch)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    members["batches.meta"] = pickle.dumps({"label_names": names})
    folder.mkdir(parents=True)
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    sums = {name: hashlib.md5(data).hexdigest() for name, data in members.items()}
    return {
        "train_list": [[name, sums[name]] for name in members if name.startswith("data")],
        "test_list": [["test_batch", sums["test_batch"]]],
        "meta": {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]},  # type: ignore[dict-item]
        "tgz_md5": hashlib.md5((folder / "cifar-10-python.tar.gz").read_bytes()).hexdigest(),  # type: ignore[dict-item]
    }


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[str]:
    """The address under which the folder `served` is to be had."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_torchvisions_archive_keeps_its_order_and_takes_kaggles_ids(tmp_path: Path, monkeypatch, serve):
    for name, value in canonical_archive(tmp_path / "served").items():
        monkeypatch.setattr(torchvision.datasets.CIFAR10, name, value)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"{serve}/cifar-10-python.tar.gz")
    raw = tmp_path / "raw"
    competition.fetch(config("torchvision"), raw)
    labels = table(raw / "trainLabels.csv")
    assert list(labels) == list(range(1, 21))
    assert [labels[i] for i in (1, 5, 9, 13, 17)] == ["airplane", "automobile", "bird", "cat", "deer"]
    assert list(table(raw / "solution.csv").values()) == ["dog", "automobile", "bird", "cat"]
    first = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)[0].reshape(3, 32, 32)
    assert (pixels(raw / "train.7z")[1] == first).all()
    assert len(pixels(raw / "test.7z")) == 4


def test_a_torchvision_archive_with_a_wrong_checksum_is_refused(tmp_path: Path, monkeypatch, serve):
    canonical_archive(tmp_path / "served")  # its checksum is not the published one
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"{serve}/cifar-10-python.tar.gz")
    with pytest.raises(InputError, match=r"^torchvision: the CIFAR-10 archive could not be fetched"):
        competition.fetch(config("torchvision"), tmp_path / "raw")
    assert not [path for path in (tmp_path / "raw").iterdir() if path.name != ".downloads"]
