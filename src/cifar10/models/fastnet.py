"""Small networks that learn quickly: a whitening stem that is never trained, then three groups of convolutions.

Their shape follows what the speed records on CIFAR-10 have shown to pay: patch whitening (Page 2019,
https://myrtle.ai/learn/how-to-train-your-resnet-8-bag-of-tricks/), pooling before the first norm of a group, identity
initialisation, widths of 64, 256, 256 with two convolutions a group, and for more accuracy wider groups of three with
a shortcut (Jordan 2024, https://arxiv.org/abs/2404.00498). The stem has no bias and all of it stays fixed, so that no
gradient has to pass the costly 31x31 maps down to it.
"""

from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cifar10.models.layers import ACTIVATIONS, Conv3x3

LOGIT_SCALE = 115.2  # over the number of features: how fast the classifier learns, at one rate with the kernels
NORM_MOMENTUM = 0.4  # a short training has no time for a slower running mean


class Whitening(nn.Conv2d):
    """Patches of 2x2 pixels as 12 uncorrelated numbers of unit variance, and their negatives; fixed once fitted."""

    CHANNELS = 24

    def __init__(self) -> None:
        super().__init__(3, self.CHANNELS, 2, bias=False)
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
    convolution = Conv3x3(in_channels, out_channels)
    nn.init.dirac_(convolution.weight[:in_channels])
    return convolution


def _norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm with a bias of its own and no scale."""
    norm = nn.BatchNorm2d(channels, momentum=NORM_MOMENTUM)
    norm.weight.requires_grad_(False)
    return norm


class Shortcut(nn.Module):
    """What its layers make of maps, and the maps themselves added."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, maps: Float[Tensor, "images channels h w"]) -> Float[Tensor, "images channels h w"]:
        return maps + self.layers(maps)


def _group(in_channels: int, out_channels: int, convolutions: int, act: Callable[[], nn.Module]) -> list[nn.Module]:
    """Half as high and wide: convolution, max-pool, norm, activation, and the same without the pool.

    With three convolutions the last two have a shortcut around them, which ends before the last activation.
    """
    first = [_convolution(in_channels, out_channels), nn.MaxPool2d(2), _norm(out_channels), act()]
    second = [_convolution(out_channels, out_channels), _norm(out_channels)]
    if convolutions == 2:
        return [*first, *second, act()]
    third = [_convolution(out_channels, out_channels), _norm(out_channels)]
    return [*first, Shortcut(*second, act(), *third), act()]


class GlobalMaxPool(nn.AdaptiveMaxPool2d):
    """The largest value of each map, as a map of one pixel.

    On a GPU torch refuses its own gradient where kernels have to be deterministic. Taking the maximum of the pixels in
    a row does the same to the bit, a little more slowly.
    """

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, input: Float[Tensor, "images channels h w"]) -> Float[Tensor, "images channels 1 1"]:
        if torch.are_deterministic_algorithms_enabled():
            return input.flatten(2).max(2, keepdim=True).values[..., None]
        return super().forward(input)


class Scale(nn.Module):
    """Every number times `factor`."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return values * self.factor


def fastnet(
    num_classes: int,
    activation: str = "silu",
    widths: Sequence[int] = (64, 256, 256),
    group_convolutions: Literal[2, 3] = 2,
) -> nn.Module:
    """Whitened 31x31 maps, three groups, the largest value of each 3x3 map, and one linear layer.

    Args:
        num_classes: how many numbers come out for each image.
        activation: a key of ACTIVATIONS.
        widths: channels of each group.
        group_convolutions: 3x3 convolutions in each group.
    """
    act = ACTIVATIONS[activation]
    # More features, and features that shortcuts make larger, would let the classifier overshoot.
    logit_scale = LOGIT_SCALE / widths[-1] / (group_convolutions - 1)
    classifier = nn.Linear(widths[-1], num_classes, bias=False)
    nn.init.normal_(classifier.weight, std=1 / widths[-1] / logit_scale)
    groups = [_group(*channels, group_convolutions, act) for channels in pairwise((Whitening.CHANNELS, *widths))]
    return nn.Sequential(
        Whitening(),
        act(),
        *chain.from_iterable(groups),
        GlobalMaxPool(),
        nn.Flatten(),
        classifier,
        Scale(logit_scale),
    )
