"""Augmentation of whole batches on the device.

Each transform is a pair: a pure function of the images and the drawn values, whose result a test can state pixel by
pixel, and an entry of AUGMENTATIONS that draws those values from a generator.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from pydantic import Field, model_validator
from torch import Tensor, nn

from cifar10.core.config import Config
from cifar10.engine.reproducibility import derive_seed, seeded_globals
from cifar10.training.color import adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, grayscale

Share = Annotated[float, Field(ge=0, le=1)]


class AugmentConfig(Config):
    """The section `augment`: one key for each entry of AUGMENTATIONS, applied in the order of that dict.

    Mixup and cutmix come after them, then the size of the early epochs; the alternating flip, which goes by the epoch,
    before.
    """

    crop_padding_pixels: Annotated[int, Field(ge=0, le=16)]
    """Random crop of the original size out of the image padded with black on each side. 0: off."""
    translate_pixels: Annotated[int, Field(ge=0, le=16)]
    """Random shift by up to this much each way, what is missing at the border reflected. 0: off."""
    horizontal_flip: bool
    """Mirror left to right with probability 1/2."""
    alternating_flip: bool
    """Instead of `horizontal_flip`: half of the images mirrored in the first epoch, then each in turns.

    Two epochs show every image either way, by chance they do so for half of them (Jordan 2024,
    https://arxiv.org/abs/2404.00498).
    """
    affine_degrees: Annotated[float, Field(ge=0, le=180)]
    """Rotation by a random angle up to this, either way. 0: off."""
    color_jitter: Annotated[list[Share], Field(min_length=4, max_length=4)]
    """How far brightness, contrast, saturation (shares) and hue (share of the circle, up to 0.5) vary. Zeros: off."""
    grayscale_probability: Share
    """Share of images whose colour is taken away. 0: off."""
    trivial_augment: bool
    """One random operation of random strength on each image, image by image: slow on a GPU."""
    cutout_size_pixels: Annotated[int, Field(ge=0, le=32)]
    """Side of a random square that is blanked. 0: off."""
    cutout_start_fraction: Annotated[float, Field(ge=0, lt=1)]
    """Share of all epochs, the first ones, that go without cutout. 0: cutout from the first epoch on.

    What keeps a network from overfitting may be in its way while it still underfits; the idea is that of late dropout
    (Liu et al. 2023, https://arxiv.org/abs/2303.01500).
    """
    erasing_probability: Share
    """Share of images of which a random rectangle, 2 to 33 % of the area, is blanked. 0: off."""
    mixup_alpha: Annotated[float, Field(ge=0)]
    """Blend each image and its label with another's, by a share from Beta(alpha, alpha). 0: off."""
    cutmix_alpha: Annotated[float, Field(ge=0)]
    """Paste a rectangle of another image, its area from Beta(alpha, alpha), and share the label. 0: off."""
    early_fraction: Annotated[float, Field(ge=0, lt=1)]
    """Share of all epochs, the first ones, that see images shrunk to `early_size_pixels`. 0: off."""
    early_size_pixels: Annotated[int, Field(ge=16, le=31)]
    """Side of the images in those epochs."""

    @model_validator(mode="after")
    def _check_flips(self) -> "AugmentConfig":
        if self.horizontal_flip and self.alternating_flip:
            raise ValueError("set horizontal_flip or alternating_flip, not both")
        return self


def augment(
    images: UInt8[Tensor, "batch 3 h w"], config: AugmentConfig, generator: torch.Generator
) -> UInt8[Tensor, "batch 3 h w"]:
    """Apply every entry of AUGMENTATIONS that `config` switches on, each image with its own draws."""
    for key, transform in AUGMENTATIONS.items():
        value = getattr(config, key)
        if any(value) if isinstance(value, list) else value:
            images = transform(images, value, generator)
    return images


def mix(
    images: Float[Tensor, "batch 3 h w"],
    labels: Int64[Tensor, " batch"],
    config: AugmentConfig,
    num_classes: int,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "batch 3 h w"], Int64[Tensor, " batch"] | Float[Tensor, "batch classes"]]:
    """Mixup or cutmix of the batch with itself shifted by one, the targets as probabilities; both on: one by chance.

    Zhang et al. 2017, https://arxiv.org/abs/1710.09412, and Yun et al. 2019, https://arxiv.org/abs/1905.04899.
    Where both are off, images and labels come back as they are.
    """
    alphas = {"MixUp": config.mixup_alpha, "CutMix": config.cutmix_alpha}
    chosen = [name for name, alpha in alphas.items() if alpha]
    if not chosen:
        return images, labels
    with seeded_globals(derive_seed(generator.initial_seed(), 1)):
        name = chosen[int(torch.randint(len(chosen), ()))]
        return _torchvision(name, alpha=alphas[name], num_classes=num_classes)(images, labels)


def shrink(
    images: Float[Tensor, "batch channels h w"], size_pixels: int
) -> Float[Tensor, "batch channels size_pixels size_pixels"]:
    """Smaller images, bilinear and antialiased; those that have this size already, as they are.

    What is learned first is coarse, and half the pixels are half the arithmetic: progressive resizing (Howard 2018,
    https://www.fast.ai/posts/2018-04-30-dawnbench-fastai.html).
    """
    if images.shape[2:] == (size_pixels, size_pixels):
        return images
    return F.interpolate(images, size=(size_pixels, size_pixels), mode="bilinear", antialias=True)


def crop(
    images: UInt8[Tensor, "batch channels h w"],
    offsets: Int64[Tensor, "batch 2"],
    padding: int,
    mode: Literal["constant", "reflect"] = "constant",
) -> UInt8[Tensor, "batch channels h w"]:
    """The h x w window of each padded image that starts at `offsets` (down, right), each 0..2 * padding.

    An offset of `padding` gives the image itself. The padding is black, or the image reflected at its border. Crop
    with black and flip are the augmentation of He et al. 2015.
    """
    batch, channels, height, width = images.shape
    padded = F.pad(images, [padding] * 4, mode=mode)
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
    return erase(images, centers - size // 2, torch.full_like(centers, size))


def erase(
    images: UInt8[Tensor, "batch channels h w"], corners: Int64[Tensor, "batch 2"], sizes: Int64[Tensor, "batch 2"]
) -> UInt8[Tensor, "batch channels h w"]:
    """Blank the rectangle of `sizes` (height, width) from `corners` (top, left) on; what lies outside is cut off."""
    inside = [
        (torch.arange(length, device=images.device) >= start[:, None])
        & (torch.arange(length, device=images.device) < (start + size)[:, None])
        for length, start, size in zip(images.shape[2:], corners.unbind(1), sizes.unbind(1), strict=True)
    ]
    return images.masked_fill((inside[0][:, :, None] & inside[1][:, None, :])[:, None], 0)


def rotate(
    images: UInt8[Tensor, "batch channels h w"], degrees: Float[Tensor, " batch"]
) -> UInt8[Tensor, "batch channels h w"]:
    """Turn each image counter-clockwise about its centre, bilinear, black where nothing was."""
    radians = degrees * (math.pi / 180)
    cos, sin, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    aspect = images.shape[3] / images.shape[2]
    matrix = torch.stack([cos, -sin / aspect, zero, sin * aspect, cos, zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    turned = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return turned.round().to(torch.uint8)


def _random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    return crop(images, _integers((len(images), 2), 2 * padding + 1, images, generator), padding)


def _random_translation(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """The border reflected, as Jordan 2024 does, https://arxiv.org/abs/2404.00498."""
    return crop(images, _integers((len(images), 2), 2 * pixels + 1, images, generator), pixels, "reflect")


def _random_flip(images: Tensor, enabled: bool, generator: torch.Generator) -> Tensor:
    return flip(images, _integers((len(images),), 2, images, generator).bool())


def _random_affine(images: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    return rotate(images, _uniform(len(images), -degrees, degrees, images, generator))


def _random_color(images: Tensor, strengths: list[float], generator: torch.Generator) -> Tensor:
    *shares, hue = strengths
    for adjust, share in zip((adjust_brightness, adjust_contrast, adjust_saturation), shares, strict=True):
        images = adjust(images, _uniform(len(images), 1 - share, 1 + share, images, generator))
    return adjust_hue(images, _uniform(len(images), -hue, hue, images, generator)) if hue else images


def _random_grayscale(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    chosen = _uniform(len(images), 0.0, 1.0, images, generator) < probability
    return torch.where(chosen[:, None, None, None], grayscale(images), images)


def _trivial_augment(images: Tensor, enabled: bool, generator: torch.Generator) -> Tensor:
    """By torchvision, which draws for one image at a time (Mueller and Hutter 2021, https://arxiv.org/abs/2103.10158)."""
    with seeded_globals(derive_seed(generator.initial_seed(), 2)):
        transform = _torchvision("TrivialAugmentWide")
        return torch.stack([transform(image) for image in images])


def _random_erasing(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Zhong et al. 2017, https://arxiv.org/abs/1708.04896: area 2 to 33 %, height to width 0.3 to 3.3."""
    count, lengths = len(images), torch.tensor(images.shape[2:], device=images.device)
    area = _uniform(count, 0.02, 0.33, images, generator) * lengths.prod()
    ratio = _uniform(count, math.log(0.3), math.log(3.3), images, generator).exp()
    sizes = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], 1).round().long().minimum(lengths)
    places = torch.rand((count, 2), device=images.device, generator=generator)
    chosen = _uniform(count, 0.0, 1.0, images, generator) < probability
    return erase(images, (places * (lengths - sizes + 1)).long(), sizes * chosen[:, None])


def _random_cutout(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    return cutout(images, _integers((len(images), 2), images.shape[-1], images, generator), size)


def _integers(shape: tuple[int, ...], high: int, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(high, shape, device=like.device, generator=generator)


def _uniform(count: int, low: float, high: float, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(count, device=like.device, generator=generator) * (high - low) + low


@cache
def _torchvision(name: str, **options: Any) -> nn.Module:
    from torchvision.transforms import v2  # here: it takes a second to import, which most recipes do without

    return getattr(v2, name)(**options)


# params.yaml key -> (images, the key's value, generator) -> images
AUGMENTATIONS: dict[str, Callable[[Tensor, Any, torch.Generator], Tensor]] = {
    "crop_padding_pixels": _random_crop,
    "translate_pixels": _random_translation,
    "horizontal_flip": _random_flip,
    "affine_degrees": _random_affine,
    "color_jitter": _random_color,
    "grayscale_probability": _random_grayscale,
    "trivial_augment": _trivial_augment,
    "cutout_size_pixels": _random_cutout,
    "erasing_probability": _random_erasing,
}
