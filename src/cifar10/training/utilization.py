"""How much of a device's arithmetic a training uses: model FLOPs over measured time and measured matrix products."""

import time
from collections.abc import Sequence
from statistics import median

import torch
from torch import nn

from cifar10.engine.runtime import Runtime
from cifar10.models.summary import summarize_model

SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}  # of the square matrices: large enough for the full rate


def matmul_peak_flops(runtime: Runtime, repeats: int = 5) -> float:
    """Operations per second of the quickest of `repeats` products of two square matrices in the runtime's precision."""
    dtype = getattr(torch, runtime.precision)
    side = SIDE[runtime.device.type]
    left, right = (torch.ones(side, side, device=runtime.device, dtype=dtype) for _ in range(2))
    seconds: list[float] = []
    for _ in range(repeats + 1):  # the first one warms up
        started = time.perf_counter()
        product = left @ right
        product[0, 0].item()  # waits for a GPU
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds[1:])


def steady_rate(images_per_second: Sequence[float]) -> float:
    """The median over epochs; the first, which compiles and warms up, counts only where there are no two others."""
    return median(images_per_second[1:] if len(images_per_second) > 2 else images_per_second)


def describe_utilization(model: nn.Module, images_per_second: Sequence[float], runtime: Runtime) -> str:
    """One line: the model's operations per second in training, beside what this device reaches."""
    used = summarize_model(model).training_flops * steady_rate(images_per_second)
    peak = matmul_peak_flops(runtime) * runtime.world.size
    return (
        f"{_tera(used)} of the {_tera(peak)} TFLOP/s that a plain matrix product reaches here: {used / peak:.0%} used"
    )


def _tera(flops: float) -> str:
    return f"{flops / 1e12:.3g}"
