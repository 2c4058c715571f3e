"""Plain convolutional networks: blocks of convolution, batch norm, activation and pool, then linear layers."""

from collections.abc import Callable

from torch import nn

from cifar10.models.layers import ACTIVATIONS


def _block(in_channels: int, out_channels: int, act: Callable[[], nn.Module]) -> list[nn.Module]:
    """5x5 convolution that keeps the size, batch norm, activation, max-pool that halves it."""
    convolution = nn.Conv2d(in_channels, out_channels, 5, padding=2)
    return [convolution, nn.BatchNorm2d(out_channels), act(), nn.MaxPool2d(2)]


def cnn2(num_classes: int, activation: str = "relu") -> nn.Module:
    """Two blocks (16, 32 channels) and one linear layer on 8x8x32."""
    act = ACTIVATIONS[activation]
    return nn.Sequential(*_block(3, 16, act), *_block(16, 32, act), nn.Flatten(), nn.Linear(8 * 8 * 32, num_classes))


def cnn3(num_classes: int, activation: str = "relu") -> nn.Module:
    """Three blocks (16, 32, 64 channels) and one linear layer on 4x4x64."""
    act = ACTIVATIONS[activation]
    return nn.Sequential(
        *_block(3, 16, act),
        *_block(16, 32, act),
        *_block(32, 64, act),
        nn.Flatten(),
        nn.Linear(4 * 4 * 64, num_classes),
    )


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
