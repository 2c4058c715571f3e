"""Plain convolutional networks: blocks of convolution, batch norm, activation and pool, then linear layers."""

import itertools
from collections.abc import Callable

from torch import nn

from cifar10.models.layers import ACTIVATIONS, Frame


def _block(in_channels: int, out_channels: int, act: Callable[[], nn.Module]) -> list[nn.Module]:
    """5x5 convolution that keeps the size, batch norm, activation, max-pool that halves it."""
    convolution = nn.Conv2d(in_channels, out_channels, 5, padding=2)
    return [convolution, nn.BatchNorm2d(out_channels), act(), nn.MaxPool2d(2)]


def _plain(num_classes: int, widths: tuple[int, ...], act: Callable[[], nn.Module], frame_pixels: int) -> nn.Sequential:
    """A block for each width and one linear layer."""
    layers: list[nn.Module] = [Frame(frame_pixels)] if frame_pixels else []
    for in_channels, out_channels in itertools.pairwise((3, *widths)):
        layers += _block(in_channels, out_channels, act)
    size = 32 // 2 ** len(widths)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size * size * widths[-1], num_classes))


def cnn2(num_classes: int, activation: str = "relu", frame_pixels: int = 0) -> nn.Module:
    """Two blocks (16, 32 channels) and one linear layer on 8x8x32; its study frames the images first."""
    return _plain(num_classes, (16, 32), ACTIVATIONS[activation], frame_pixels)


def cnn3(num_classes: int, activation: str = "relu", frame_pixels: int = 0) -> nn.Module:
    """Three blocks (16, 32, 64 channels) and one linear layer on 4x4x64; its study frames the images first."""
    return _plain(num_classes, (16, 32, 64), ACTIVATIONS[activation], frame_pixels)


def mynet(num_classes: int, activation: str = "relu") -> nn.Module:
    """Four 3x3 convolutions (64, 128, 64, 32) with batch norm, a padded pool after each two, a wide hidden layer."""
    act = ACTIVATIONS[activation]
    layers: list[nn.Module] = []
    channels = 3
    for i, width in enumerate((64, 128, 64, 32), 1):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), act()]
        layers += [nn.MaxPool2d(2, padding=1)] if i % 2 == 0 else []  # 32 -> 17 -> 9: the padding adds one
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 9 * 9, 2048), act(), nn.Linear(2048, num_classes))
