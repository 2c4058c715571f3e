"""The DaiNet series: the first, small and shallow, and the seventh, six convolutions with dropout."""

from torch import nn

from cifar10.models.layers import ACTIVATIONS


def dainet1(num_classes: int, activation: str = "relu", dropout: float = 0.1) -> nn.Module:
    """Three convolutions (12@5x5, 24@3x3, 12@3x3), each with dropout, batch norm, activation and pool; three linear.

    The study does not say how much is dropped; 0.1 is what its seventh network drops after its convolutions.
    """
    act = ACTIVATIONS[activation]
    layers: list[nn.Module] = []
    for in_channels, out_channels, kernel in ((3, 12, 5), (12, 24, 3), (24, 12, 3)):
        layers += [
            nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2),
            nn.Dropout(dropout),
            nn.BatchNorm2d(out_channels),
            act(),
            nn.MaxPool2d(2),
        ]
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(12 * 4 * 4, 128), act(), nn.Linear(128, 84), act(), nn.Linear(84, num_classes)
    )


def dainet7(num_classes: int, activation: str = "relu") -> nn.Module:
    """Six 3x3 convolutions in pairs (64, 128, 256), pools after the first two pairs, average-pool 8, one linear layer.

    Dropout is 0.1 after each pool, 0.5 after the last pair and 0.5 before the linear layer.
    """
    act = ACTIVATIONS[activation]

    def pair(in_channels: int, out_channels: int) -> list[nn.Module]:
        return [
            nn.Conv2d(in_channels, out_channels, 3, padding=1), act(), nn.BatchNorm2d(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, padding=1), act(), nn.BatchNorm2d(out_channels),
        ]  # fmt: skip

    return nn.Sequential(
        *pair(3, 64), nn.MaxPool2d(2), nn.Dropout(0.1),
        *pair(64, 128), nn.MaxPool2d(2), nn.Dropout(0.1),
        *pair(128, 256), nn.Dropout(0.5),
        nn.AvgPool2d(8), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(256, num_classes),
    )  # fmt: skip
