"""The embedded default: real handwritten digits that scikit-learn ships, in the competition's exact shape.

1,797 images of 8x8 pixels (Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998): no account, no
network, and small enough to train on a laptop in a minute.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from cifar10.competition.layout import write_competition
from cifar10.core.config import DataConfig
from cifar10.images.codec import SIZE_PIXELS, encode_png

LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEST_IMAGES = 360


def fetch(config: DataConfig, out: Path, downloads: Path) -> None:
    """Write the digits as a competition: 1,437 labelled images and 360 test images whose labels are known too."""
    from sklearn.model_selection import train_test_split  # a second that the other sources need not pay

    images, digits = load_images()
    train, test = train_test_split(np.arange(len(images)), test_size=TEST_IMAGES, stratify=digits, random_state=0)
    write_competition(
        out,
        train=((f"train/{i}.png", encode_png(images[k])) for i, k in enumerate(train, 1)),
        train_labels={i: LABELS[digits[k]] for i, k in enumerate(train, 1)},
        test=((f"test/{i}.png", encode_png(images[k])) for i, k in enumerate(test, 1)),
        test_ids=range(1, len(test) + 1),
        test_labels={i: LABELS[digits[k]] for i, k in enumerate(test, 1)},
        compress=True,
    )


def load_images() -> tuple[UInt8[np.ndarray, "images 3 32 32"], Int64[np.ndarray, " images"]]:
    """The digits as 32x32 RGB (each pixel four by four times, ink 0..16 scaled to 0..255) and their values 0..9."""
    from sklearn.datasets import load_digits

    pixels, digits = (np.asarray(part) for part in load_digits(return_X_y=True))
    scale = SIZE_PIXELS // 8
    grey = np.kron(pixels.reshape(-1, 8, 8), np.ones((1, scale, scale))) * (255 / 16)
    return np.repeat(grey.round().astype(np.uint8)[:, None], 3, axis=1), digits.astype(np.int64)
