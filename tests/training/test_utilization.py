import pytest
from conftest import train_config
from torch import nn

from cifar10.engine.runtime import Runtime
from cifar10.training import utilization
from cifar10.training.utilization import describe_utilization, matmul_peak_flops, steady_rate

RUNTIME = Runtime(train_config().runtime)


def test_the_first_epoch_counts_only_among_few():
    assert steady_rate([10.0]) == 10
    assert steady_rate([10.0, 20.0]) == 15
    assert steady_rate([1.0, 20.0, 30.0, 40.0]) == 30


def test_the_share_is_operations_per_image_times_rate_over_peak(monkeypatch):
    monkeypatch.setattr(utilization, "matmul_peak_flops", lambda runtime: 4e12)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    # forward and the gradient of the weights, two operations for each multiply-add; nobody asks for the images'
    operations = 2 * 2 * 3072 * 10
    line = describe_utilization(model, [1e12 / operations], RUNTIME)
    assert line == "1 of the 4 TFLOP/s that a plain matrix product reaches here: 25% used"


def test_the_peak_is_a_rate_of_whole_products(monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(utilization.time, "perf_counter", lambda: next(ticks))
    monkeypatch.setitem(utilization.SIDE, "cpu", 8)
    assert matmul_peak_flops(RUNTIME, repeats=2) == pytest.approx(2 * 8**3)
