import pytest
import torch
from conftest import train_config

from cifar10.engine import peak
from cifar10.engine.peak import _products, peak_flops, peak_tflops
from cifar10.engine.runtime import Runtime


@pytest.fixture
def runtime(monkeypatch) -> Runtime:
    monkeypatch.setitem(peak.SIDE, "cpu", 256)
    monkeypatch.setitem(peak.IMAGES, "cpu", 2)
    monkeypatch.setattr(peak, "MANY_THREADS", 1000)
    return Runtime(train_config(runtime__precision="float32").runtime)


def test_every_way_is_the_product_whose_operations_it_claims(runtime: Runtime):
    """Of ones, each number of the result is the length of its sum: operations are two for each."""
    matmul, linear, pixelwise, convolution = _products(runtime)
    for product, flops in (matmul, linear, pixelwise):
        result = product()
        assert (result == 256).all()
        assert 2 * result.sum().item() == flops
    product, flops = convolution
    result = product()
    assert result[0, 0, 8, 8] == 9 * 256
    assert 2 * result.numel() * 9 * 256 == flops  # the border's zeros are multiplied too


def test_the_quickest_way_counts(runtime: Runtime, monkeypatch):
    """No rate in use can be above it: what a network computes is one of these products, or slower."""
    rates = iter([1e9, 4e9, 3e9, 2e9])
    monkeypatch.setattr(peak, "_best_rate", lambda product, flops: next(rates))
    assert peak_flops(runtime) == 4e9


def test_the_best_of_the_repeats_counts_and_the_first_does_not(runtime: Runtime, monkeypatch):
    ticks = iter([0.0, 0.1, 1.0, 3.0, 4.0, 5.0, 6.0, 9.0, 10.0, 13.0, 14.0, 17.0])
    monkeypatch.setattr(peak.time, "perf_counter", lambda: next(ticks))
    assert peak._best_rate(lambda: torch.zeros(1), 80) == 80  # 0.1 s is the warm-up's, then 2, 1, 3, 3, 3


@pytest.mark.parametrize("native", [True, False])
def test_each_precision_that_the_device_has_is_told(runtime: Runtime, native: bool, monkeypatch):
    monkeypatch.setattr(runtime, "native_bfloat16", native)
    monkeypatch.setattr(peak, "peak_flops", lambda runtime: {"float32": 2e11, "bfloat16": 8e11}[runtime.precision])
    assert peak_tflops(runtime) == {"float32": 0.2, **({"bfloat16": 0.8} if native else {})}
