import numpy as np
import pandas as pd
import pytest
import torch
from conftest import train_config

from cifar10.app.lr_finder import plot_curve, range_test, suggest_lr
from cifar10.core.config import InputError
from cifar10.data.dataset import PreparedData

CONFIG = train_config(model__name="lenet", augment__crop_padding_pixels=0)


def test_the_rate_rises_by_one_factor_until_the_loss_blows_up(tiny_data: PreparedData):
    curve = range_test(tiny_data, CONFIG, steps=60, highest=1e4)
    ratios = curve["lr"][1:].to_numpy() / curve["lr"][:-1].to_numpy()
    assert ratios == pytest.approx((1e4 / 1e-5) ** (1 / 59))
    assert curve["lr"].iloc[0] == pytest.approx(1e-5)
    assert len(curve) < 60  # the last rates are far too high
    assert (curve["smoothed"] <= 4 * curve["smoothed"].cummin()).all()


def test_smoothing_is_a_running_mean_without_start_up_bias(tiny_data: PreparedData):
    curve = range_test(tiny_data, CONFIG, steps=20, highest=1e-3)
    expected = curve["loss"].ewm(alpha=0.1, adjust=True).mean()
    assert curve["smoothed"].to_numpy() == pytest.approx(expected.to_numpy())


def test_it_repeats_itself_and_leaves_the_recipes_schedule_out(tiny_data: PreparedData):
    first = range_test(tiny_data, CONFIG, steps=20, highest=1e-2)
    again = range_test(tiny_data, CONFIG.model_copy(update={"lr": 7.0}), steps=20, highest=1e-2)
    pd.testing.assert_frame_equal(first, again)


def test_rates_that_are_too_high_from_the_start_are_one_line(tiny_data: PreparedData):
    with pytest.raises(InputError, match=r"^the loss blew up after \d+ steps, at a rate of .*; start lower$"):
        range_test(tiny_data, CONFIG, steps=100, lowest=100.0, highest=1e6)


def test_the_suggestion_is_where_the_loss_falls_fastest():
    """By hand: a line through three neighbours falls by half of 0.3, 1.2, 1.1, and then rises."""
    rates = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]
    losses = [2.3, 2.2, 2.0, 1.0, 0.9, 9.0]
    curve = pd.DataFrame({"lr": rates, "loss": losses, "smoothed": losses})
    assert suggest_lr(curve) == pytest.approx(1e-2)
    axes = plot_curve(curve, 0.01).axes[0]
    assert axes.get_xscale() == "log"
    assert "suggested: 0.01" in axes.get_legend_handles_labels()[1]


@pytest.mark.parametrize("width_decades", [0.2, 0.4])
@pytest.mark.parametrize("right", [1e-3, 1e-2, 1e-1])
def test_noise_leaves_the_suggestion_within_a_factor_of_3(right, width_decades):
    """From 2.3 the loss falls by 1.5 along a logistic curve that is steepest at the right rate, then it blows up."""
    rates = np.geomspace(1e-5, 10, 100)
    decades = np.log10(rates / right)
    loss = 2.3 - 1.5 / (1 + np.exp(-decades / width_decades)) + 0.02 * np.exp(4 * (decades - 2))
    blown_up = int((loss > 4).argmax()) or len(rates)
    noise = np.random.default_rng(0).normal(0, 0.15, (200, len(rates)))  # a batch of 64 digits has as much
    curves = [pd.DataFrame({"lr": rates, "loss": loss + one}).iloc[:blown_up] for one in noise]
    suggested = np.array([suggest_lr(curve) for curve in curves])
    assert ((right / 3 < suggested) & (suggested < right * 3)).mean() >= 0.98
    assert np.exp(np.log(suggested).mean()) == pytest.approx(right, rel=0.25)


def test_a_loss_that_only_rises_is_one_line():
    curve = pd.DataFrame({"lr": [0.1, 1.0, 10.0], "loss": [1.0, 2.0, 3.0], "smoothed": [1.0, 2.0, 3.0]})
    with pytest.raises(InputError, match=r"^the loss only rose; start lower with --lowest$"):
        suggest_lr(curve)


def test_global_randomness_is_seeded_by_the_recipe_alone(tiny_data: PreparedData):
    torch.rand(3)
    first = range_test(tiny_data, CONFIG, steps=20, highest=1e-2)
    torch.rand(5)
    pd.testing.assert_frame_equal(first, range_test(tiny_data, CONFIG, steps=20, highest=1e-2))
