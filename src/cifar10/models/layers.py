"""What the families share: activations and initialisations by name, and layers that torch has not."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

# Each fills one weight of a convolution or linear layer in place.
INITIALIZERS: dict[str, Callable[[Tensor], Tensor]] = {
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "kaiming_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "kaiming_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
}
PYTORCH = "pytorch"  # what a layer does when it is made: weights and biases uniform within 1 / sqrt(fan in)


def initialize(model: nn.Module, name: str) -> None:
    """Draw every convolution and linear weight anew: by a key of INITIALIZERS, biases 0, or as PYTORCH does."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if name == PYTORCH:
                module.reset_parameters()
                continue
            INITIALIZERS[name](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Frame(nn.Module):
    """A frame of `pixels` around the image, which is then resized to what it was: torchvision's `Pad` and `Resize`.

    The frame is black where images are normalised with mean and deviation 0.5, as the study that does this has them.
    """

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        framed = F.pad(images, [self.pixels] * 4, value=-1.0)
        return F.interpolate(framed, images.shape[2:], mode="bilinear", antialias=True)


@cache
def has_tiles() -> bool:
    """Whether the processor multiplies tiles of bfloat16 numbers (Intel's AMX)."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # the oldest torch that we run with may lack it
    return torch.backends.mkldnn.is_available() and bool(capabilities.get("amx_bf16"))


class Conv3x3(nn.Conv2d):
    """Padded by one pixel, without bias. Small, wide maps are convolved as products of matrices where that pays.

    On a processor that multiplies tiles (AMX) oneDNN's convolution with 512 channels on maps of 3x3 pixels takes three
    times as long, forward and back, as to take every patch apart and multiply it by all kernels (benchmarks/LOG.md,
    *Small maps on a processor that multiplies tiles*).
    """

    MOST_PIXELS = 25  # of a map: above, more time goes into the patches than the products save
    FEWEST_CHANNELS = 384  # with 256, products gain little on maps of 3x3 pixels, and lose on those of 7x7

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, 3, stride, padding=1, bias=False)

    def forward(self, input: Float[Tensor, "images channels h w"]) -> Float[Tensor, "images filters _ _"]:
        small_and_wide = input.shape[2:].numel() <= self.MOST_PIXELS and self.in_channels >= self.FEWEST_CHANNELS
        on_tiles = input.device.type == "cpu" and input.dtype == torch.bfloat16 and has_tiles()
        if small_and_wide and on_tiles and self.stride == (1, 1):
            return ConvolutionByProducts.apply(input, self.weight.to(input.dtype))
        return super().forward(input)


class ConvolutionByProducts(torch.autograd.Function):
    """`F.conv2d(maps, kernels, padding=1)` with 3x3 kernels, of maps that lie in memory with their channels last.

    Patches are made again for the gradient: they take nine times the memory of the maps.
    """

    IMAGES = 250  # at once, whose patches the processor's cache holds

    @staticmethod
    def forward(
        ctx: Any, maps: Float[Tensor, "images channels h w"], kernels: Float[Tensor, "filters channels 3 3"]
    ) -> Float[Tensor, "images filters h w"]:
        ctx.save_for_backward(maps, kernels)
        return _convolve(maps, kernels)

    @staticmethod
    def backward(
        ctx: Any, *grad_outputs: Float[Tensor, "images filters h w"]
    ) -> tuple[Float[Tensor, "images channels h w"], Float[Tensor, "filters channels 3 3"]]:
        (gradient,), (maps, kernels) = grad_outputs, ctx.saved_tensors
        filters, channels = kernels.shape[:2]
        of_kernels = torch.zeros(9 * channels, filters)  # float32, in which the sums over all images are taken
        for some, wanted in zip(*(each.split(ConvolutionByProducts.IMAGES) for each in (maps, gradient)), strict=True):
            of_kernels += _patches(some).T @ wanted.permute(0, 2, 3, 1).reshape(-1, filters)
        of_maps = _convolve(gradient, kernels.flip(2, 3).transpose(0, 1))
        return of_maps, of_kernels.view(3, 3, channels, filters).permute(3, 2, 0, 1).to(kernels.dtype)


def _convolve(
    maps: Float[Tensor, "images channels h w"], kernels: Float[Tensor, "filters channels 3 3"]
) -> Float[Tensor, "images filters h w"]:
    images, _, height, width = maps.shape
    matrix = kernels.permute(2, 3, 1, 0).flatten(0, 2)  # a row for each number of a patch
    product = maps.new_empty(images, height, width, len(kernels))
    for some, out in zip(*(each.split(ConvolutionByProducts.IMAGES) for each in (maps, product)), strict=True):
        torch.mm(_patches(some), matrix, out=out.view(-1, len(kernels)))
    return product.permute(0, 3, 1, 2)


def _patches(maps: Float[Tensor, "images channels h w"]) -> Float[Tensor, "patches numbers"]:
    """The 3x3 pixels around each pixel as a row: channels last, zero beyond the edge."""
    height, width = maps.shape[2:]
    framed = F.pad(maps.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    shifted = [framed[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return torch.cat(shifted, dim=-1).flatten(0, 2)
