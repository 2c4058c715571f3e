"""Colour changes of whole batches, each image by its own factor; torchvision, whose formulas these are, takes one."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

# Red, green and blue as the eye weighs them (ITU-R BT.601, as in torchvision and Pillow).
LUMA = (0.2989, 0.587, 0.114)


def grayscale(images: UInt8[Tensor, "batch 3 h w"]) -> UInt8[Tensor, "batch 3 h w"]:
    """Every channel is the image's brightness."""
    return _luma(images.float()).to(torch.uint8).expand_as(images)


def adjust_brightness(
    images: UInt8[Tensor, "batch 3 h w"], factors: Float[Tensor, " batch"]
) -> UInt8[Tensor, "batch 3 h w"]:
    """Towards black (factor 0) or beyond the image (above 1)."""
    return _blend(images, torch.zeros_like(images[:, :1, :1, :1]).float(), factors)


def adjust_contrast(
    images: UInt8[Tensor, "batch 3 h w"], factors: Float[Tensor, " batch"]
) -> UInt8[Tensor, "batch 3 h w"]:
    """Towards the image's mean grey (factor 0) or away from it (above 1)."""
    return _blend(images, _luma(images.float()).floor().mean((1, 2, 3), keepdim=True), factors)


def adjust_saturation(
    images: UInt8[Tensor, "batch 3 h w"], factors: Float[Tensor, " batch"]
) -> UInt8[Tensor, "batch 3 h w"]:
    """Towards grey (factor 0) or away from it (above 1)."""
    return _blend(images, _luma(images.float()).floor(), factors)


def adjust_hue(images: UInt8[Tensor, "batch 3 h w"], turns: Float[Tensor, " batch"]) -> UInt8[Tensor, "batch 3 h w"]:
    """Turn the colour circle by a share of it, -0.5..0.5, at the same lightness and saturation (HSV)."""
    pixels = images.float() / 255
    value, low = pixels.amax(1), pixels.amin(1)
    chroma = value - low
    safe = chroma.clamp(min=1e-12)  # a grey pixel has no hue; any will do
    red, green, blue = pixels.unbind(1)
    from_red, from_green = (green - blue) / safe % 6, (blue - red) / safe + 2
    from_blue = (red - green) / safe + 4
    sextant = torch.where(value == red, from_red, torch.where(value == green, from_green, from_blue))
    sextant = (sextant + 6 * turns[:, None, None]) % 6
    # Each channel is the value less the chroma where the hue is far from it (Smith 1978, in closed form).
    offsets = torch.tensor([5.0, 3.0, 1.0], device=images.device)[:, None, None]
    distance = (offsets + sextant[:, None]) % 6
    falloff = torch.minimum(distance, 4 - distance).clamp(0, 1)
    return ((value[:, None] - chroma[:, None] * falloff) * 255).round().to(torch.uint8)


def _luma(pixels: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 1 h w"]:
    red, green, blue = LUMA
    return red * pixels[:, :1] + green * pixels[:, 1:2] + blue * pixels[:, 2:]


def _blend(
    images: UInt8[Tensor, "batch 3 h w"], other: Float[Tensor, "batch _ _ _"], factors: Float[Tensor, " batch"]
) -> UInt8[Tensor, "batch 3 h w"]:
    share = factors[:, None, None, None]
    return (share * images + (1 - share) * other).clamp(0, 255).to(torch.uint8)
