import math

import pytest
import torch
import torch.nn.functional as F

from cifar10.evaluation.calibration import (
    MIN_TEMPERATURE,
    Bin,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)


def test_bins_and_error_by_hand():
    """Five bins: 0.5 and 0.55 share the third, 0.6 is its closed right end, 0.9 and 1.0 share the fifth."""
    confidence = torch.tensor([0.5, 0.6, 0.55, 0.9, 1.0], dtype=torch.float64)
    bins = reliability_bins(confidence, torch.tensor([True, False, False, True, True]), num_bins=5)
    assert [bin_.images for bin_ in bins] == [3, 2]
    assert bins[0].confidence == pytest.approx(0.55)
    assert bins[0].accuracy == pytest.approx(1 / 3)
    assert (bins[1].confidence, bins[1].accuracy) == (pytest.approx(0.95), 1)
    assert expected_calibration_error(bins) == pytest.approx(3 / 5 * (0.55 - 1 / 3) + 2 / 5 * 0.05)


def test_fifteen_bins_are_the_default():
    confidence = torch.arange(1, 16, dtype=torch.float64) / 15 - 0.01
    assert len(reliability_bins(confidence, torch.ones(15, dtype=torch.bool))) == 15


def test_a_perfect_match_has_no_error():
    assert expected_calibration_error([Bin(0.7, 0.7, 10), Bin(0.9, 0.9, 3)]) == 0


def test_the_temperature_by_hand():
    """Logits (2, 0), right in three of four images: softmax must say 3/4, so 2 / T = ln 3."""
    logits = torch.tensor([[2.0, 0.0]] * 4)
    assert fit_temperature(logits, torch.tensor([0, 0, 0, 1])) == pytest.approx(2 / math.log(3), rel=1e-6)


def test_the_temperature_has_the_least_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(200, 5, generator=generator) * 4, torch.randint(5, (200,), generator=generator)
    labels[:120] = logits[:120].argmax(1)
    best = fit_temperature(logits, labels)
    losses = [F.cross_entropy(logits.double() / t, labels).item() for t in (0.99 * best, best, 1.01 * best)]
    assert losses[1] == min(losses)


def test_where_all_are_right_the_temperature_stays_finite():
    assert fit_temperature(torch.eye(3), torch.arange(3)) == pytest.approx(MIN_TEMPERATURE)
