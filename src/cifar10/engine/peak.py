"""How many operations a second this device reaches: what a network's own rate is held against."""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cifar10.engine.runtime import Runtime

SIDE = {"cpu": 1024, "cuda": 8192, "mps": 4096}  # of the square matrices: large enough for the full rate
IMAGES = {"cpu": 16, "cuda": 1024, "mps": 256}  # of the 3x3 convolution, 256 channels on maps of 16x16
MANY_THREADS = 8  # of a processor, from which on it takes matrices twice as high and wide
REPEATS = 5


def peak_flops(runtime: Runtime) -> float:
    """Operations per second of the quickest way to multiply matrices in the runtime's precision.

    No library is the quickest everywhere: on one AMD processor MKL's float32 product reaches half of what oneDNN's
    convolutions do. So each way is tried, and the best of its repeats counts.
    """
    return max(_best_rate(product, flops) for product, flops in _products(runtime))


def peak_tflops(runtime: Runtime) -> dict[str, float]:
    """The peak of each precision that the runtime's device computes natively, in 10^12 operations per second."""
    kinds = ["float32", *(["bfloat16"] if runtime.native_bfloat16 else [])]
    return {kind: round(peak_flops(runtime.in_precision(kind)) / 1e12, 3) for kind in kinds}


def _products(runtime: Runtime) -> list[tuple[Callable[[], Tensor], int]]:
    """Ways to multiply matrices, each with the operations of one call; a multiply-add is two."""
    dtype, device = getattr(torch, runtime.precision), runtime.device
    side, images = SIDE[device.type], IMAGES[device.type]
    if device.type == "cpu" and torch.get_num_threads() >= MANY_THREADS:
        side, images = 2 * side, 4 * images

    def ones(*shape: int) -> Tensor:
        return torch.ones(shape, device=device, dtype=dtype)

    def maps(*shape: int) -> Tensor:
        return ones(*shape).contiguous(memory_format=torch.channels_last)

    left, right = ones(side, side), ones(side, side)
    pixels, mix = maps(side // 256, side, 16, 16), maps(side, side, 1, 1)
    features, kernels = maps(images, 256, 16, 16), maps(256, 256, 3, 3)
    return [
        (lambda: left @ right, 2 * side**3),  # MKL or cuBLAS
        (lambda: F.linear(left, right), 2 * side**3),  # oneDNN, for some precisions
        (lambda: F.conv2d(pixels, mix), 2 * side**3),  # the same product as a 1x1 convolution
        (lambda: F.conv2d(features, kernels, padding=1), 2 * images * 256 * 256 * 9 * 16 * 16),
    ]


@torch.inference_mode()
def _best_rate(product: Callable[[], Tensor], flops: int) -> float:
    seconds: list[float] = []
    for _ in range(REPEATS + 1):  # the first one warms up
        started = time.perf_counter()
        product().flatten()[0].item()  # synchronizes with a GPU
        seconds.append(time.perf_counter() - started)
    return flops / min(seconds[1:])
