"""A small network that learns quickly: a whitening stem that is never trained, then three groups of two convolutions.

Its shape follows what the speed records on CIFAR-10 have shown to pay: patch whitening (Page 2019,
https://myrtle.ai/learn/how-to-train-your-resnet-8-bag-of-tricks/), pooling before the first norm of a group, identity
initialisation and widths of 64, 256, 256 (Jordan 2024, https://arxiv.org/abs/2404.00498). The stem has no bias and all
of it stays fixed, so that no gradient has to pass the costly 31x31 maps down to it.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cifar10.models.layers import ACTIVATIONS

LOGIT_SCALE = 0.45  # how fast the classifier learns, beside the kernels, at one rate for both
NORM_MOMENTUM = 0.4  # a short training has no time for a slower running mean


class Whitening(nn.Conv2d):
    """Patches of 2x2 pixels as 12 uncorrelated numbers of unit variance, and their negatives; fixed once fitted."""

    def __init__(self) -> None:
        super().__init__(3, 24, 2, bias=False)
        self.weight.requires_grad_(False)

    def fit(self, pixels: Float[Tensor, "images 3 h w"]) -> None:
        """Take the kernels from the patches of `pixels` (normalised): eigenvectors of their covariance."""
        patches = pixels.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12).double()
        variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        # Where images hardly vary (flat patches), noise is not blown up to what matters.
        kernels = (directions / (variances + 5e-4).sqrt()).T.reshape(12, 3, 2, 2)
        self.weight.copy_(torch.cat([kernels, -kernels]))


def _convolution(in_channels: int, out_channels: int) -> nn.Conv2d:
    """3x3, without bias; the first filters pass their input on."""
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight[:in_channels])
    return convolution


def _norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm with a bias of its own and no scale."""
    norm = nn.BatchNorm2d(channels, momentum=NORM_MOMENTUM)
    norm.weight.requires_grad_(False)
    return norm


def _group(in_channels: int, out_channels: int, act: Callable[[], nn.Module]) -> list[nn.Module]:
    """Half as high and wide: convolution, max-pool, norm, activation, and the same without the pool."""
    first = [_convolution(in_channels, out_channels), nn.MaxPool2d(2), _norm(out_channels), act()]
    return [*first, _convolution(out_channels, out_channels), _norm(out_channels), act()]


class Scale(nn.Module):
    """Every number times `factor`."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return values * self.factor


def fastnet(num_classes: int, activation: str = "silu") -> nn.Module:
    """Whitened 31x31 maps, groups of 64, 256 and 256 channels, the largest value of each 3x3 map, one linear layer."""
    act = ACTIVATIONS[activation]
    classifier = nn.Linear(256, num_classes, bias=False)
    nn.init.normal_(classifier.weight, std=1 / 256 / LOGIT_SCALE)
    return nn.Sequential(
        Whitening(),
        act(),
        *_group(24, 64, act),
        *_group(64, 256, act),
        *_group(256, 256, act),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        classifier,
        Scale(LOGIT_SCALE),
    )
