"""A competition of any size in the shape of Kaggle's: `python benchmarks/synthetic_competition.py FOLDER`.

Real images are mirrored, shifted and dimmed until there are enough of them, no two alike, and packed as Kaggle's are:
one solid LZMA block per archive, members in the order of their names as text (1, 10, 100, 1000, ...).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import py7zr
from jaxtyping import UInt8
from tqdm import tqdm

from cifar10.competition.layout import write_labels, write_sample_submission
from cifar10.competition.sample import LABELS, load_images
from cifar10.core.files import atomic_folder
from cifar10.core.tables import read_table
from cifar10.images.codec import decode_image, encode_png
from cifar10.images.origins import write_origins

NUM_TRAIN, NUM_TEST, NUM_SCORED = 50_000, 300_000, 10_000

Image = UInt8[np.ndarray, "3 32 32"]


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the five files go")
    add_options(parser)
    options = parser.parse_args()
    build(options.folder, options.images[0], options.images[1], options.photographs)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Size and source, the same for every script that builds a competition."""
    parser.add_argument(
        "--images", type=int, nargs=2, default=(NUM_TRAIN, NUM_TEST), metavar=("TRAIN", "TEST"), help="how many"
    )
    parser.add_argument(
        "--photographs", type=Path, metavar="FOLDER", help="with trainLabels.csv and train/1.jpg ...; default: digits"
    )


def build(folder: Path, num_train: int, num_test: int, photographs: Path | None, seed: int = 0) -> None:
    """Write the competition's five files into `folder`, all or none; the labels of the scored test images are known."""
    images, labels = read_photographs(photographs) if photographs else read_digits()
    random = np.random.default_rng(seed)
    rows = {part: random.integers(0, len(images), n) for part, n in (("train", num_train), ("test", num_test))}
    with atomic_folder(folder) as out:
        for part, chosen in rows.items():
            pack(out / f"{part}.7z", encoded_members(part, images, chosen, random), len(chosen))
        write_labels(out / "trainLabels.csv", range(1, num_train + 1), (labels[row] for row in rows["train"]))
        write_sample_submission(out, range(1, num_test + 1), label=min(labels))
        scored = rows["test"][:NUM_SCORED]
        write_origins(out)
        write_labels(out / "solution.csv", range(1, len(scored) + 1), (labels[row] for row in scored))


def read_digits() -> tuple[UInt8[np.ndarray, "images 3 32 32"], list[str]]:
    """The embedded digits under noise: without it their PNGs would be a fifth of a photograph's."""
    images, digits = load_images()
    noise = np.random.default_rng(0).normal(0, 8, images.shape)
    return (images + noise).clip(0, 255).astype(np.uint8), [LABELS[digit] for digit in digits]


def read_photographs(folder: Path) -> tuple[UInt8[np.ndarray, "images 3 32 32"], list[str]]:
    """Every image of `folder/train` that `folder/trainLabels.csv` names, and its label."""
    table = read_table(folder / "trainLabels.csv")
    ending = next((folder / "train").iterdir()).suffix
    paths = [folder / "train" / f"{number}{ending}" for number in table["id"]]
    images = [decode_image(path.read_bytes(), path.name) for path in tqdm(paths, desc="reading", disable=None)]
    return np.stack(images), table["label"].tolist()


def encoded_members(
    part: str, images: UInt8[np.ndarray, "images 3 32 32"], rows: np.ndarray, random: np.random.Generator
) -> Iterator[tuple[str, bytes]]:
    """`(train/1.png, bytes)` for image number i made from row `rows[i - 1]`, names sorted as text."""
    for number in sorted(range(1, len(rows) + 1), key=str):
        yield f"{part}/{number}.png", encode_png(jitter(images[rows[number - 1]], random))


def jitter(image: Image, random: np.random.Generator) -> Image:
    """Mirror by chance, shift by up to 2 pixels, dim to 50 to 90 %: about 2.0 kB of PNG, as Kaggle's have."""
    mirrored = image[:, :, ::-1] if random.random() < 0.5 else image
    shifted = np.roll(mirrored, random.integers(-2, 3, size=2), axis=(1, 2))
    return (shifted * random.uniform(0.5, 0.9)).astype(np.uint8)


def pack(path: Path, members: Iterator[tuple[str, bytes]], count: int) -> None:
    """Write one solid LZMA block. The quickest preset: the next ones save 1 % and decompress at the same speed."""
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_LZMA, "preset": 1}]) as archive:
        for name, data in tqdm(members, total=count, desc=f"packing {path.name}", unit=" images", disable=None):
            archive.writestr(data, name)


if __name__ == "__main__":
    main()
