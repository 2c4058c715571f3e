"""Augmentation of whole batches on the device.

Each transform is a pair: a pure function of the images and the drawn values, whose result a test can state pixel by
pixel, and an entry of AUGMENTATIONS that draws those values from a generator.
"""

from collections.abc import Callable
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64, UInt8
from pydantic import Field
from torch import Tensor

from cifar10.config import Config


class AugmentConfig(Config):
    """The section `augment`: one key for each entry of AUGMENTATIONS, applied in the order of that dict."""

    crop_padding_pixels: Annotated[int, Field(ge=0, le=16)]
    """Random crop of the original size out of the image padded with black on each side. 0: off."""
    horizontal_flip: bool
    """Mirror left to right with probability 1/2."""
    cutout_size_pixels: Annotated[int, Field(ge=0, le=32)]
    """Side of a random square that is blanked. 0: off."""


def augment(
    images: UInt8[Tensor, "batch 3 h w"], config: AugmentConfig, generator: torch.Generator
) -> UInt8[Tensor, "batch 3 h w"]:
    """Apply every augmentation that `config` switches on, each image with its own draws."""
    for key, transform in AUGMENTATIONS.items():
        value = getattr(config, key)
        if value:
            images = transform(images, value, generator)
    return images


def crop(
    images: UInt8[Tensor, "batch channels h w"], offsets: Int64[Tensor, "batch 2"], padding: int
) -> UInt8[Tensor, "batch channels h w"]:
    """The h x w window of each zero-padded image that starts at `offsets` (down, right), each 0..2 * padding.

    An offset of `padding` gives the image itself. Crop and flip are the augmentation of He et al. 2015.
    """
    batch, channels, height, width = images.shape
    padded = F.pad(images, [padding] * 4)
    rows = offsets[:, 0, None] + torch.arange(height, device=images.device)
    columns = offsets[:, 1, None] + torch.arange(width, device=images.device)
    image = torch.arange(batch, device=images.device)
    channel = torch.arange(channels, device=images.device)
    return padded[image[:, None, None, None], channel[:, None, None], rows[:, None, :, None], columns[:, None, None, :]]


def flip(
    images: UInt8[Tensor, "batch channels h w"], mirrored: Bool[Tensor, " batch"]
) -> UInt8[Tensor, "batch channels h w"]:
    """Mirror the chosen images left to right."""
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def cutout(
    images: UInt8[Tensor, "batch channels h w"], centers: Int64[Tensor, "batch 2"], size: int
) -> UInt8[Tensor, "batch channels h w"]:
    """Blank a square of side `size` around `centers` (down, right), cut off at the border.

    DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552. An even size reaches one pixel further up and left.
    """
    height, width = images.shape[2:]
    top, left = (centers - size // 2).unbind(1)
    row = torch.arange(height, device=images.device)
    column = torch.arange(width, device=images.device)
    in_rows = (row >= top[:, None]) & (row < top[:, None] + size)
    in_columns = (column >= left[:, None]) & (column < left[:, None] + size)
    return images.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0)


def _random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    return crop(images, _integers((len(images), 2), 2 * padding + 1, images, generator), padding)


def _random_flip(images: Tensor, enabled: bool, generator: torch.Generator) -> Tensor:
    return flip(images, _integers((len(images),), 2, images, generator).bool())


def _random_cutout(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    return cutout(images, _integers((len(images), 2), images.shape[-1], images, generator), size)


def _integers(shape: tuple[int, ...], high: int, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(high, shape, device=like.device, generator=generator)


# params.yaml key -> (images, the key's value, generator) -> images
AUGMENTATIONS: dict[str, Callable[[Tensor, Any, torch.Generator], Tensor]] = {
    "crop_padding_pixels": _random_crop,
    "horizontal_flip": _random_flip,
    "cutout_size_pixels": _random_cutout,
}
