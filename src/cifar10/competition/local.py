"""Files that the user already has: Kaggle's zip, the four files, or folders (or a zip) of images."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from cifar10.competition.file_trees import FileTree, FolderTree, ZipTree, is_image
from cifar10.competition.layout import FILES, write_competition, write_labels, write_sample_submission
from cifar10.core.config import PARAMS, DataConfig, InputError, expand_home
from cifar10.core.tables import read_table
from cifar10.images.archives import image_id, open_images

EXPECTED = "train.7z + test.7z + trainLabels.csv, or train/1.png ... + trainLabels.csv, or train/<class>/*.png"


def fetch(config: DataConfig, out: Path, downloads: Path) -> None:
    """Recognise what lies at `data.path` by the names in it and write it as the competition's five files."""
    if config.path is None:
        raise InputError(f"{PARAMS}: data.path: the source `local` needs a folder or a zip file here")
    write_from(expand_home(config.path, "data.path"), out)


def write_from(path: Path, out: Path) -> None:
    """Write the competition's files from a folder or zip file.

    Raises:
        InputError: `path` does not exist, or holds none of the known layouts.
    """
    tree = _open_tree(path)
    names = set(tree.names)
    if {"train.7z", "test.7z", "trainLabels.csv"} <= names:
        _copy_four_files(tree, out)
    elif "trainLabels.csv" in names and any(_in_folder(name, "train") for name in names):
        _pack_numbered_images(tree, path, out)
    elif any(_class_of(name, "train") for name in names):
        _pack_class_folders(tree, out)
    else:
        raise InputError(f"{path}: holds no competition; expected {EXPECTED}")


def _open_tree(path: Path) -> FileTree:
    if path.is_dir():
        zips = list(path.glob("*.zip"))
        if len(zips) == 1 and not (path / "trainLabels.csv").exists() and not (path / "train").exists():
            return ZipTree(zips[0])  # the folder into which Kaggle's zip was downloaded
        return FolderTree(path)
    if path.is_file():
        return ZipTree(path)
    raise InputError(f"{PARAMS}: data.path: {path} does not exist")


def _copy_four_files(tree: FileTree, out: Path) -> None:
    for name in FILES:
        if name in tree.names:
            _copy(tree, name, out)
    if "sampleSubmission.csv" not in tree.names:
        test_ids = (member.id for member in open_images(out / "test.7z").members)
        write_sample_submission(out, test_ids, _first_label(out))
    if "solution.csv" not in tree.names:
        write_labels(out / "solution.csv", [], [])


def _pack_numbered_images(tree: FileTree, path: Path, out: Path) -> None:
    """`train/17.png` with `trainLabels.csv`, and `test/17.png`: ids are in the names."""
    for name in tree.names:
        if (_in_folder(name, "train") or _in_folder(name, "test")) and image_id(name) is None:
            raise InputError(f"{path}: {name} is not named by its id (train/17.png)")
    _copy(tree, "trainLabels.csv", out)
    train, test = (sorted((n for n in tree.names if _in_folder(n, f)), key=_natural) for f in ("train", "test"))
    labels = read_table(out / "trainLabels.csv")
    write_competition(
        out,
        train=_read(tree, {name: name for name in train}),
        train_labels=dict(zip(labels["id"].tolist(), labels["label"].tolist(), strict=True)),
        test=_read(tree, {name: name for name in test}),
        test_ids=[i for i in map(image_id, test) if i is not None],
        test_labels={},
    )
    for name in ("trainLabels.csv", "sampleSubmission.csv", "solution.csv"):  # the user's own, byte for byte
        if name in tree.names:
            _copy(tree, name, out)


def _pack_class_folders(tree: FileTree, out: Path) -> None:
    """`train/<class>/*`, and `test/<class>/*` or `test/*`: ids are given here, 1, 2, ... in natural order of names."""
    train = sorted((n for n in tree.names if _class_of(n, "train")), key=_natural)
    test = sorted((n for n in tree.names if _class_of(n, "test") or _in_folder(n, "test")), key=_natural)
    write_competition(
        out,
        train=_read(tree, {name: _numbered("train", i, name) for i, name in enumerate(train, 1)}),
        train_labels={i: _class_of(name, "train") for i, name in enumerate(train, 1)},
        test=_read(tree, {name: _numbered("test", i, name) for i, name in enumerate(test, 1)}),
        test_ids=range(1, len(test) + 1),
        test_labels={i: _class_of(name, "test") for i, name in enumerate(test, 1) if _class_of(name, "test")},
    )


def _read(tree: FileTree, members: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    for name, member in members.items():
        with tree.open(name) as file:
            yield member, file.read()


def _copy(tree: FileTree, name: str, out: Path) -> None:
    with tree.open(name) as source, (out / name).open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _first_label(out: Path) -> str:
    labels = read_table(out / "trainLabels.csv")["label"]
    if labels.empty:
        raise InputError(f"{out / 'trainLabels.csv'}: no rows below the header")
    return labels.min()


def _in_folder(name: str, folder: str) -> bool:
    """Whether an image lies directly in the folder."""
    return name.startswith(f"{folder}/") and name.count("/") == 1 and is_image(name)


def _class_of(name: str, folder: str) -> str:
    """`train/frog/x.png` -> `frog`; an empty string for any other form."""
    parts = name.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == folder and is_image(name) else ""


def _numbered(folder: str, number: int, name: str) -> str:
    return f"{folder}/{number}{name[name.rfind('.') :].lower()}"


def _natural(name: str) -> list[str | int]:
    """Sort key under which `2.png` comes before `10.png`."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
