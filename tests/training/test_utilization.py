import pytest
from conftest import train_config
from torch import nn

from cifar10.engine.runtime import Runtime
from cifar10.training import utilization
from cifar10.training.utilization import describe_utilization, steady_rate

RUNTIME = Runtime(train_config(runtime__precision="float32").runtime)
MODEL = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
# forward and the gradient of the weights, two operations for each multiply-add; nobody asks for the images'
OPERATIONS = 2 * 2 * 3072 * 10


def test_the_first_epoch_counts_only_among_few():
    assert steady_rate([10.0]) == 10
    assert steady_rate([10.0, 20.0]) == 15
    assert steady_rate([1.0, 20.0, 30.0, 40.0]) == 30


@pytest.mark.parametrize(
    ("peak", "line"),
    [
        (4e12, "1 of the 4 TFLOP/s that this device reaches in float32: 25%"),
        (1e12, "1 of the 1 TFLOP/s that this device reaches in float32: 100%"),
        (5e11, "1 TFLOP/s; no share of the peak: the device is busy with other work (0.5 left)"),
    ],
)
def test_the_share_is_operations_per_image_times_rate_over_peak(monkeypatch, peak: float, line: str):
    monkeypatch.setattr(utilization, "peak_flops", lambda runtime: peak)
    assert describe_utilization(MODEL, [1e12 / OPERATIONS], RUNTIME) == line
