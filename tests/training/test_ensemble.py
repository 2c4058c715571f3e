"""Several networks as one: their answer, what each learns from, and a training that is broken off between two."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import train_config, write_params
from torch import nn

from cifar10.core.config import InputError, load_config
from cifar10.data.dataset import PreparedData
from cifar10.engine.runtime import Runtime, RuntimeConfig
from cifar10.models.checkpoint import load_model
from cifar10.models.ensemble import join, members_of
from cifar10.stages import train
from cifar10.training import fit
from cifar10.training.ensemble import mean_history, plan_members
from cifar10.training.history import EpochResult
from cifar10.training.loop import train_one_epoch
from cifar10.training.resume import ResumeStore
from cifar10.training.trainer import Trainer

SMALL = {"model.name": "lenet", "epochs": 2, "batch_size": 12}


class Says(nn.Module):
    """Gives every image the same probabilities, as logits that are moved by a constant."""

    def __init__(self, probabilities: list[float], moved: float) -> None:
        super().__init__()
        self.logits = torch.tensor(probabilities).log() + moved

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(pixels), -1)


def test_its_probabilities_are_the_mean_of_its_members():
    model = join([Says([0.9, 0.1], 5.0), Says([0.5, 0.5], -3.0), Says([0.1, 0.9], 0.0)])
    logits = model(torch.zeros(2, 3, 32, 32))
    torch.testing.assert_close(logits.exp(), torch.full((2, 2), 0.5))
    unequal = join([Says([0.9, 0.1], 5.0), Says([0.5, 0.5], -3.0)])(torch.zeros(1, 3, 32, 32))
    torch.testing.assert_close(unequal.exp(), torch.tensor([[0.7, 0.3]]))


def test_one_network_stays_itself():
    alone = Says([0.5, 0.5], 0.0)
    assert join([alone]) is alone
    assert members_of(alone) == [alone]
    pair = [Says([0.5, 0.5], 0.0), Says([0.1, 0.9], 0.0)]
    assert members_of(join(pair)) == pair


@pytest.mark.parametrize("training", [True, False])
def test_networks_stay_in_the_mode_they_are_in(training):
    pair = [Says([0.5, 0.5], 0.0).train(training), Says([0.1, 0.9], 0.0).train(training)]
    assert join(pair).training is pair[1].training is training


def test_a_single_member_is_the_recipe_as_it_is(tiny_data: PreparedData):
    config = train_config(seed=7)
    (member,) = plan_members(tiny_data, config, 1)
    assert (member.data, member.config, member.name) == (tiny_data, config, "")


def test_runs_of_several_seeds_share_no_member(tiny_data: PreparedData):
    runs = [plan_members(tiny_data, train_config(seed=seed), 3) for seed in (0, 1)]
    assert [[member.config.seed for member in run] for run in runs] == [[0, 1, 2], [3, 4, 5]]
    assert runs[1][1].name == "member 2/3 (seed 4)"
    assert all(member.data is tiny_data for run in runs for member in run)


def test_each_labelled_image_is_held_out_by_the_members_of_one_fold(tiny_data: PreparedData):
    folds = replace(tiny_data, fold_of_row=np.arange(48) % 4)
    members = plan_members(folds, train_config(), 2)
    assert [member.config.seed for member in members] == [0, 1] * 4
    assert members[5].name == "member 6/8 (fold 3/4, seed 1)"
    held_out = np.concatenate([member.data.val_rows for member in members])
    assert (np.bincount(held_out) == 2).all()
    for member in members:
        assert sorted([*member.data.train_rows, *member.data.val_rows]) == list(range(48))


def test_the_history_of_several_is_their_mean():
    def epoch(loss: float, accuracy: float, seconds: float, rate: float) -> EpochResult:
        return EpochResult(1, 0.1, 0.2, loss, 0.5, float("nan"), accuracy, seconds, rate)

    (mean,) = mean_history([[epoch(1.0, 0.8, 2.0, 100.0)], [epoch(2.0, 0.9, 6.0, 20.0)]])
    assert (mean.epoch, mean.lr, mean.max_lr, mean.train_loss, mean.val_accuracy) == (
        1,
        0.1,
        0.2,
        1.5,
        pytest.approx(0.85),
    )
    assert np.isnan(mean.val_loss)
    assert (mean.seconds, mean.images_per_second) == (8.0, (200 + 120) / 8)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    write_params(tmp_path / "params.yaml", {**SMALL, "ensemble.seeds": 3})
    return tmp_path


def results(here: Path) -> tuple[bytes, bytes]:
    return (here / "model.pt").read_bytes(), (here / "train/history.csv").read_bytes()


@pytest.mark.parametrize(("broken_at", "goes_on"), [(3, ""), (4, ", going on in epoch 1 after step 4")])
def test_what_was_broken_off_goes_on_with_the_member_it_was_at(
    here: Path, tiny_prepared: Path, monkeypatch: pytest.MonkeyPatch, capsys, broken_at, goes_on
):
    """Of three members with two epochs each, it breaks off as the second begins, or between that one's epochs."""
    begun: list[int] = []

    def counted(trainer: Trainer, after_step) -> tuple[float, float]:
        begun.append(trainer.epoch)
        if len(begun) == broken_at:
            raise RuntimeError("power cut")
        return train_one_epoch(trainer, after_step)

    write_params(here / "params.yaml", {**SMALL, "ensemble.seeds": 3, "runtime.checkpoint_minutes": 1e-9})
    train.main(tiny_prepared, here / "model.pt", here / "train")
    undisturbed = results(here)
    (here / "model.pt").unlink()
    monkeypatch.setattr(fit, "train_one_epoch", counted)
    with pytest.raises(RuntimeError):
        train.main(tiny_prepared, here / "model.pt", here / "train")
    assert not (here / "model.pt").exists()
    broken_off = len(begun)
    capsys.readouterr()
    train.main(tiny_prepared, here / "model.pt", here / "train")
    assert len(begun) - broken_off == 4  # the first member is not trained again
    assert results(here) == undisturbed
    assert not list((here / "logs/resume").iterdir())
    lines = capsys.readouterr().out
    assert "train: member 1/3 (seed 0): trained before" in lines
    runtime = Runtime(load_config(RuntimeConfig, section="runtime"))
    assert f"train: member 2/3 (seed 1): lenet on 38 images, {runtime}{goes_on}\n" in lines


def test_asked_to_stop_at_the_end_of_a_member_it_does_not_begin_another(
    here: Path, tiny_prepared: Path, monkeypatch: pytest.MonkeyPatch
):
    save = ResumeStore.save

    def save_and_ask(store: ResumeStore, state: dict) -> None:
        save(store, state)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(ResumeStore, "save", save_and_ask)
        with pytest.raises(InputError, match="interrupted between two members; the next run goes on there"):
            train.main(tiny_prepared, here / "model.pt", here / "train")
    assert len(list((here / "logs/resume").iterdir())) == 1


def test_the_first_member_is_the_single_model(here: Path, tiny_prepared: Path):
    train.main(tiny_prepared, here / "model.pt", here / "train")
    write_params(here / "params.yaml", SMALL)
    train.main(tiny_prepared, here / "single.pt", here / "train")
    first, single = members_of(load_model(here / "model.pt").model)[0], load_model(here / "single.pt").model
    for ours, other in zip(first.state_dict().values(), single.state_dict().values(), strict=True):
        assert (ours == other).all()
