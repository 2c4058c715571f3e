"""The canonical CIFAR-10 archive through torchvision, for people without a Kaggle account.

Its training images in file order are Kaggle's `train/1.png` ... `train/50000.png`; its 10,000 test images are numbered
1..10000 in their own order (which of Kaggle's 300,000 they are is not known), so its submission is for practice.
"""

from pathlib import Path

import numpy as np

from cifar10.competition.layout import write_competition
from cifar10.core.config import DataConfig, InputError
from cifar10.images.codec import encode_png


def fetch(config: DataConfig, out: Path, downloads: Path) -> None:
    """Download (or reuse) the archive, whose checksum torchvision verifies, and write it as a competition."""
    downloads.mkdir(parents=True, exist_ok=True)
    try:
        write_canonical(downloads, out, download=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"torchvision: the CIFAR-10 archive could not be fetched ({reason}); try again") from None


def write_canonical(root: Path, out: Path, download: bool) -> None:
    """Write the competition from the folder `cifar-10-batches-py` in `root`.

    Raises:
        RuntimeError: a file is missing or not the published one; its pickles are not opened then.
    """
    from torchvision.datasets import CIFAR10  # imports torch: seconds that the other sources need not pay

    train, test = (CIFAR10(str(root), train=part, download=download) for part in (True, False))
    labels: dict[str, dict[int, str]] = {}
    for part, dataset in (("train", train), ("test", test)):
        labels[part] = {i: dataset.classes[k] for i, k in enumerate(dataset.targets, 1)}
    write_competition(
        out,
        train=((f"train/{i}.png", _encode(image)) for i, image in enumerate(train.data, 1)),
        train_labels=labels["train"],
        test=((f"test/{i}.png", _encode(image)) for i, image in enumerate(test.data, 1)),
        test_ids=labels["test"],
        test_labels=labels["test"],
    )


def _encode(image: np.ndarray) -> bytes:
    return encode_png(image.transpose(2, 0, 1))
