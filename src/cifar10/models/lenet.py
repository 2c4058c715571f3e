"""LeNet as PyTorch's CIFAR-10 tutorial writes it (after LeCun et al. 1998)."""

from torch import nn

from cifar10.models.layers import ACTIVATIONS


def lenet(num_classes: int, activation: str = "relu") -> nn.Module:
    """Two unpadded 5x5 convolutions with max-pools, three linear layers."""
    act = ACTIVATIONS[activation]
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), act(), nn.MaxPool2d(2),  # 32 -> 28 -> 14
        nn.Conv2d(6, 16, 5), act(), nn.MaxPool2d(2),  # 14 -> 10 -> 5
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), act(),
        nn.Linear(120, 84), act(),
        nn.Linear(84, num_classes),
    )  # fmt: skip
