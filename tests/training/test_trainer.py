"""Training that goes wrong: what is told, and what is kept."""

import itertools
from pathlib import Path

import pytest
import torch
from conftest import train_config

from cifar10.core.config import InputError
from cifar10.data.dataset import PreparedData
from cifar10.training import loop
from cifar10.training.fit import fit
from cifar10.training.optim import Progress
from cifar10.training.resume import ResumeStore
from cifar10.training.trainer import Trainer, advice

# Epochs of four steps: 12, 12, 12 and 2 images.
CONFIG = train_config(model__name="lenet", epochs=3, runtime__checkpoint_minutes=1e-9)


def poison(monkeypatch, step: int) -> None:
    """No number is left in the images of one step, counted from 1 over the whole run."""
    steps, mix = itertools.count(1), loop.mix

    def poisoned(pixels: torch.Tensor, *rest):
        return mix(pixels * (torch.nan if next(steps) == step else 1), *rest)

    monkeypatch.setattr(loop, "mix", poisoned)


@pytest.mark.parametrize("between", [1, 3, 100])
@pytest.mark.parametrize(
    ("step", "told"), [(1, "epoch 1 at step 1"), (6, "epoch 2 at step 2"), (8, "epoch 2 at step 4")]
)
def test_the_first_step_without_a_finite_loss_is_named(tiny_data: PreparedData, monkeypatch, between, step, told):
    """Also where losses are checked long after, as on a GPU."""
    monkeypatch.setitem(loop.STEPS_BETWEEN_CHECKS, "cpu", between)
    poison(monkeypatch, step)
    with pytest.raises(InputError) as error:
        fit(tiny_data, CONFIG)
    assert str(error.value) == f"training diverged in {told} (loss nan); lower lr in params.yaml (now 0.02)"


def weights_after(data: PreparedData, steps: int) -> dict[str, torch.Tensor]:
    """Of an undisturbed training."""
    running, taken = Trainer(data, CONFIG), itertools.count(1)

    def stop() -> None:
        if next(taken) == steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        while True:
            loop.train_one_epoch(running, stop)
            running.epoch, running.batch, running.checked = running.epoch + 1, 0, 0
    return running.model.state_dict()


@pytest.mark.parametrize("between", [1, 100])
def test_the_last_finite_state_is_kept(tiny_data: PreparedData, tmp_path: Path, monkeypatch, between):
    expected = weights_after(tiny_data, 5)
    monkeypatch.setitem(loop.STEPS_BETWEEN_CHECKS, "cpu", between)
    poison(monkeypatch, 6)
    store = ResumeStore(tmp_path, "key")
    with pytest.raises(InputError, match="in epoch 2 at step 2 "):
        fit(tiny_data, CONFIG, store)
    state = store.load()
    assert state
    assert (state["epoch"], state["batch"]) == (1, 1)
    assert all((state["model"][name] == value).all() for name, value in expected.items())


def test_weights_that_break_in_a_step_of_finite_loss_are_not_kept(tiny_data: PreparedData, tmp_path: Path, monkeypatch):
    def rate(peak: float, progress: Progress, *_) -> float:
        return peak if progress.step < 5 else torch.inf

    monkeypatch.setattr(loop, "learning_rate", rate)
    store = ResumeStore(tmp_path, "key")
    with pytest.raises(InputError, match="in epoch 2 at step 3 "):
        fit(tiny_data, CONFIG, store)
    state = store.load()
    assert state
    assert (state["epoch"], state["batch"]) == (1, 1)
    assert all(value.isfinite().all() for value in state["model"].values())


def test_out_of_memory_names_the_batch_size(tiny_data: PreparedData, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(loop, "step", fail)
    with pytest.raises(InputError, match=r"^out of memory with batch_size 12; try batch_size 6, or "):
        fit(tiny_data, CONFIG)


def test_the_digits_recipe_on_other_images_is_told():
    assert "`cifar10 use fast`" in advice(train_config(epochs=4), "kaggle")
    assert advice(train_config(epochs=4), "sample") == ""
    assert advice(train_config(epochs=9), "local") == ""
    assert advice(train_config(epochs=4, model__name="lenet"), "local") == ""
    assert advice(train_config(epochs=4, augment__horizontal_flip=True), "torchvision") == ""


def test_small_images_want_a_network_that_takes_them(tiny_data: PreparedData):
    with pytest.raises(InputError, match=r"augment\.early_fraction: cnn2 takes images of 32x32 pixels only; use 0"):
        Trainer(tiny_data, train_config(model__name="cnn2", epochs=2, augment__early_fraction=0.5))
