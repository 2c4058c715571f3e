import dataclasses
from pathlib import Path

import pytest
import torch
from conftest import train_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cifar10.data.dataset import PreparedData
from cifar10.training import fit as fit_module
from cifar10.training.fit import fit
from cifar10.training.loop import validate
from cifar10.training.resume import ResumeStore
from cifar10.training.tensorboard import frame, scalars
from cifar10.training.trainer import Trainer


def read_events(folder: Path) -> EventAccumulator:
    (run,) = folder.glob("runs/*_lenet")
    return EventAccumulator(str(run)).Reload()


def test_it_shows_the_training_and_changes_nothing(tmp_path: Path, tiny_data: PreparedData, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain, expected = fit(tiny_data, train_config(model__name="lenet", epochs=2))
    assert not list(tmp_path.iterdir())
    model, history = fit(tiny_data, train_config(model__name="lenet", epochs=2, runtime__tensorboard=True))
    weights = zip(model.state_dict().values(), plain.state_dict().values(), strict=True)
    assert all((a == b).all() for a, b in weights)
    assert [result.val_loss for result in history] == [result.val_loss for result in expected]

    events = read_events(tmp_path)
    tags = events.Tags()
    for tag, field in (("loss/train", "train_loss"), ("accuracy/val", "val_accuracy"), ("learning_rate", "lr")):
        points = events.Scalars(tag)
        assert [point.step for point in points] == [1, 2]
        assert [point.value for point in points] == pytest.approx([getattr(result, field) for result in history])
    assert tags["graph"]
    assert tags["images"] == ["predictions"]
    assert len(events.Images("predictions")) == 2


def test_a_training_that_goes_on_after_a_kill_has_whole_curves(tmp_path: Path, tiny_data: PreparedData, monkeypatch):
    """In the folder that it writes to then: the epochs before the kill come from the saved state."""
    monkeypatch.chdir(tmp_path)
    config = train_config(model__name="lenet", epochs=3, runtime__tensorboard=True, runtime__checkpoint_minutes=1e-9)
    store = ResumeStore(tmp_path / "states", "key")

    def cut_off(trainer: Trainer) -> tuple[float, float]:
        if trainer.epoch == 2:
            raise RuntimeError("power cut")
        return validate(trainer)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="power cut"):
        patch.setattr(fit_module, "validate", cut_off)
        fit(tiny_data, config, store)
    (tmp_path / "runs").rename(tmp_path / "before")
    _, history = fit(tiny_data, config, store)
    points = read_events(tmp_path).Scalars("loss/val")
    assert [point.step for point in points] == [1, 2, 3]
    assert [point.value for point in points] == pytest.approx([result.val_loss for result in history])


def test_a_network_with_running_statistics_is_left_alone_too(tmp_path: Path, tiny_data: PreparedData, monkeypatch):
    monkeypatch.chdir(tmp_path)
    everything = dataclasses.replace(tiny_data, val_rows=tiny_data.val_rows[:0])
    models = [
        fit(everything, train_config(model__name="cnn2", runtime__tensorboard=on))[0].state_dict()
        for on in (False, True)
    ]
    assert any("running_mean" in key for key in models[0])
    assert all((models[0][key] == models[1][key]).all() for key in models[0])


def test_scalars_are_grouped_and_the_unknown_is_left_out():
    figures = {
        "epoch": 1,
        "lr": 0.1,
        "train_loss": 2.0,
        "val_loss": float("nan"),
        "seconds": 1.0,
        "images_per_second": 9.0,
    }
    assert scalars(figures) == {"loss/train": 2.0, "learning_rate": 0.1, "images_per_second": 9.0}


def test_a_frame_tells_right_from_wrong():
    images = torch.full((2, 3, 32, 32), 7, dtype=torch.uint8)
    framed = frame(images, torch.tensor([True, False]))
    assert framed.shape == (2, 3, 38, 38)
    assert (framed[:, :, 3:-3, 3:-3] == 7).all()
    assert framed[0, :, 0, 0].tolist() == framed[0, :, -1, 20].tolist() == [40, 160, 80]
    assert framed[1, :, 37, 0].tolist() == [210, 50, 45]
