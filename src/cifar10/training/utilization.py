"""How much of a device's arithmetic a training uses: model FLOPs over measured time and measured peak."""

from collections.abc import Sequence
from statistics import median

from torch import nn

from cifar10.engine.peak import peak_flops
from cifar10.engine.runtime import Runtime
from cifar10.models.summary import summarize_model


def steady_rate(images_per_second: Sequence[float]) -> float:
    """The median over epochs; the first, which compiles and warms up, counts only where there are no two others."""
    return median(images_per_second[1:] if len(images_per_second) > 2 else images_per_second)


def describe_utilization(model: nn.Module, images_per_second: Sequence[float], runtime: Runtime) -> str:
    """One line: the model's operations per second in training, beside what this device reaches."""
    used = summarize_model(model).training_flops * steady_rate(images_per_second)
    peak = peak_flops(runtime) * runtime.world.size
    if used > peak:  # nothing computes faster than the device: something else ran while the peak was measured
        return f"{_tera(used)} TFLOP/s; no share of the peak: the device is busy with other work ({_tera(peak)} left)"
    reached = f"{_tera(peak)} TFLOP/s that this device reaches in {runtime.precision}"
    return f"{_tera(used)} of the {reached}: {used / peak:.0%}"


def _tera(flops: float) -> str:
    return f"{flops / 1e12:.3g}"
