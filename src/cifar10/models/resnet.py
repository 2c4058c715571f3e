"""Residual networks (He et al. 2015, https://arxiv.org/abs/1512.03385) for 32x32 images: blocks, stages, head."""

from jaxtyping import Float
from torch import Tensor, nn

from cifar10.models.layers import Conv3x3

WIDTHS = (64, 128, 256, 512)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Identity where the shape stays, else a 1x1 convolution with batch norm."""
    if stride == 1 and in_channels == out_channels:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside an identity, or beside a 1x1 convolution where shape changes."""

    expansion = 1  # output channels for each channel of width

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = Conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = Conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up to four times the width, beside an identity or a 1x1 convolution where shape changes."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = Conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    """Stem, four stages of blocks (each but the first halves the resolution), global average, one linear layer.

    Args:
        block: what the stages are made of.
        depths: number of blocks in each stage.
        stem_kernel: 7 for the ImageNet stem (stride 2), 3 for the one that suits 32x32 images (stride 1).
        stem_max_pool: whether a 3x3 max-pool of stride 2 follows the stem.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int, int],
        num_classes: int,
        stem_kernel: int,
        stem_max_pool: bool,
    ) -> None:
        super().__init__()
        stride = 2 if stem_kernel == 7 else 1
        self.stem = nn.Sequential(
            nn.Conv2d(3, WIDTHS[0], stem_kernel, stride, padding=stem_kernel // 2, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1) if stem_max_pool else nn.Identity(),
        )
        stages: list[nn.Module] = []
        channels = WIDTHS[0]
        for stage, (depth, width) in enumerate(zip(depths, WIDTHS, strict=True)):
            blocks: list[nn.Module] = []
            for i in range(depth):
                blocks.append(block(channels, width, stride=2 if stage > 0 and i == 0 else 1))
                channels = width * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
        self._initialize()

    def _initialize(self) -> None:
        """Kaiming-normal convolutions (fan out), as torchvision initialises its own."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        return self.head(self.stages(self.stem(images)))


def resnet9(num_classes: int, stem_max_pool: bool = True) -> ResNet:
    """One basic block in each stage behind a 3x3 stem with max-pool."""
    return ResNet(BasicBlock, (1, 1, 1, 1), num_classes, stem_kernel=3, stem_max_pool=stem_max_pool)


def resnet18(num_classes: int, stem_max_pool: bool = True) -> ResNet:
    """ResNet-18 as published for ImageNet: 7x7 stem of stride 2, max-pool."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, stem_kernel=7, stem_max_pool=stem_max_pool)


def resnet18_improved(num_classes: int, stem_max_pool: bool = True) -> ResNet:
    """ResNet-18 with a 3x3 stem of stride 1, the change for 32x32 images.

    The published recipe keeps the stem's max-pool in its code and drops it in its text: without it the network sees
    four times as many positions, costs four times as much, and is more accurate.
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, stem_kernel=3, stem_max_pool=stem_max_pool)


def resnet50(num_classes: int, stem_max_pool: bool = False) -> ResNet:
    """ResNet-50 of bottleneck blocks for 32x32 images: 3x3 stem of stride 1, no max-pool."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, stem_kernel=3, stem_max_pool=stem_max_pool)


def resnet18_torchvision(num_classes: int) -> nn.Module:
    """torchvision's own ResNet-18, whose layout its ImageNet weights have."""
    import torchvision  # here: it takes a second to import, which no other network needs

    return torchvision.models.resnet18(num_classes=num_classes)
