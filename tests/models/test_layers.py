import pytest
import torch
import torch.nn.functional as F

from cifar10.models import layers
from cifar10.models.layers import Conv3x3, ConvolutionByProducts


def gradients(convolve, maps: torch.Tensor, kernels: torch.Tensor) -> list[torch.Tensor]:
    """What comes out, and the gradients of both inputs where the output's is its own sine."""
    inputs = maps.clone().requires_grad_(), kernels.clone().requires_grad_()
    out = convolve(*inputs)
    return [out.detach(), *torch.autograd.grad(out, inputs, out.detach().sin())]


@pytest.mark.parametrize(("images", "height", "width"), [(1, 1, 1), (7, 2, 2), (6, 3, 5), (12, 5, 5)])
def test_products_convolve_as_torch_does(monkeypatch, images, height, width):
    monkeypatch.setattr(ConvolutionByProducts, "IMAGES", 5)  # the last ones are fewer
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(images, 6, height, width, generator=generator).contiguous(memory_format=torch.channels_last)
    kernels = torch.randn(4, 6, 3, 3, generator=generator)
    expected = gradients(lambda *inputs: F.conv2d(*inputs, padding=1), maps, kernels)
    for ours, reference in zip(gradients(ConvolutionByProducts.apply, maps, kernels), expected, strict=True):
        assert ours.shape == reference.shape
        assert torch.allclose(ours, reference, atol=1e-4)


def test_maps_that_are_not_channels_last_convolve_as_well():
    generator = torch.Generator().manual_seed(1)
    maps, kernels = torch.randn(3, 6, 4, 4, generator=generator), torch.randn(4, 6, 3, 3, generator=generator)
    assert torch.allclose(ConvolutionByProducts.apply(maps, kernels), F.conv2d(maps, kernels, padding=1), atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "side", "stride", "dtype", "tiles", "taken"),
    [
        (512, 3, 1, torch.bfloat16, True, True),
        (384, 5, 1, torch.bfloat16, True, True),
        (512, 3, 1, torch.bfloat16, False, False),  # no processor that multiplies tiles
        (512, 3, 1, torch.float32, True, False),  # which they do in bfloat16 alone
        (512, 6, 1, torch.bfloat16, True, False),  # large maps
        (256, 3, 1, torch.bfloat16, True, False),  # narrow ones
        (512, 4, 2, torch.bfloat16, True, False),
    ],
)
def test_products_are_taken_where_they_pay(monkeypatch, channels, side, stride, dtype, tiles, taken):
    calls: list[torch.Size] = []
    by_products = ConvolutionByProducts.apply
    monkeypatch.setattr(layers, "has_tiles", lambda: tiles)
    monkeypatch.setattr(
        ConvolutionByProducts, "apply", lambda maps, kernels: calls.append(maps.shape) or by_products(maps, kernels)
    )
    convolution = Conv3x3(channels, 8, stride).to(dtype)
    maps = torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(2)).to(dtype)
    out = convolution(maps)
    assert bool(calls) == taken
    reference = F.conv2d(maps.float(), convolution.weight.float(), stride=stride, padding=1)
    assert out.shape == reference.shape
    assert torch.allclose(out.float(), reference, atol=0.02)


def test_no_image_at_all_passes(monkeypatch):
    monkeypatch.setattr(layers, "has_tiles", lambda: True)
    assert Conv3x3(384, 8).bfloat16()(torch.zeros(0, 384, 3, 3, dtype=torch.bfloat16)).shape == (0, 8, 3, 3)


@pytest.mark.parametrize(
    ("capabilities", "onednn", "tiles"),
    [
        ({"avx512_bf16": True, "amx_bf16": True}, True, True),
        ({"avx512_bf16": True, "amx_bf16": True}, False, False),
        ({"avx512_bf16": True, "amx_bf16": False}, True, False),
        ({"architecture": "arm64", "bf16": True}, True, False),
        ({}, True, False),
    ],
)
def test_tiles_are_where_the_processor_has_them_and_torch_uses_them(monkeypatch, capabilities, onednn, tiles):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)
    assert layers.has_tiles.__wrapped__() == tiles  # not the cached answer of this machine


def test_mixed_precision_trains_float32_kernels_through_products(monkeypatch):
    monkeypatch.setattr(layers, "has_tiles", lambda: True)
    convolution = Conv3x3(384, 8)
    maps = torch.randn(4, 384, 3, 3, generator=torch.Generator().manual_seed(3)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        out = convolution(maps)
    out.float().square().sum().backward()
    (reference,) = torch.autograd.grad(
        F.conv2d(maps.float(), convolution.weight, padding=1).square().sum(), convolution.weight
    )
    assert convolution.weight.grad is not None
    assert convolution.weight.grad.dtype == torch.float32
    assert (convolution.weight.grad - reference).norm() < 0.02 * reference.norm()
