"""The DaiNet series: the first, small and shallow, and the seventh, six convolutions with dropout."""

from torch import nn

from cifar10.models.layers import ACTIVATIONS


def dainet1(num_classes: int, activation: str = "relu", dropout_last: bool = False) -> nn.Module:
    """Three convolutions (12@5x5, 24@3x3, 12@3x3), each with batch norm, activation and pool; three linear layers.

    Dropout of 0.5 is in the first group only: the study tried all three and took the others out again. As printed it
    stands before the batch norm, whose running variance is then that of pixels with dropout, which evaluation does
    without (Li et al. 2018, https://arxiv.org/abs/1801.05134). The study says that it changed orders without printing
    the result: `dropout_last` has the dropout after the pool.
    """
    act = ACTIVATIONS[activation]
    rest = [nn.BatchNorm2d(12), act(), nn.MaxPool2d(2)]
    return nn.Sequential(
        nn.Conv2d(3, 12, 5, padding=2), *([*rest, nn.Dropout(0.5)] if dropout_last else [nn.Dropout(0.5), *rest]),
        nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), act(), nn.MaxPool2d(2),
        nn.Conv2d(24, 12, 3, padding=1), nn.BatchNorm2d(12), act(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12 * 4 * 4, 128), act(),
        nn.Linear(128, 84), act(),
        nn.Linear(84, num_classes),
    )  # fmt: skip


def dainet7(num_classes: int, activation: str = "relu") -> nn.Module:
    """Six 3x3 convolutions in pairs (64, 128, 256), pools after the first two pairs, average-pool 8, one linear layer.

    Batch norm comes after the activation; dropout is 0.1, 0.1, 0.5, 0.5 after convolutions 1, 2, 4 and 5.
    """
    act = ACTIVATIONS[activation]

    def block(in_channels: int, out_channels: int) -> list[nn.Module]:
        return [nn.Conv2d(in_channels, out_channels, 3, padding=1), act(), nn.BatchNorm2d(out_channels)]

    return nn.Sequential(
        *block(3, 64), nn.Dropout(0.1),
        *block(64, 64), nn.MaxPool2d(2), nn.Dropout(0.1),
        *block(64, 128),
        *block(128, 128), nn.MaxPool2d(2), nn.Dropout(0.5),
        *block(128, 256), nn.Dropout(0.5),
        *block(256, 256), nn.AvgPool2d(8),
        nn.Flatten(), nn.Linear(256, num_classes),
    )  # fmt: skip
