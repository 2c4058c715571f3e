from pathlib import Path
from typing import Annotated

import pytest
from conftest import ROOT, read_default_params, write_params

from cifar10.core.config import (
    TOP_LEVEL_KEYS,
    Config,
    DataConfig,
    EnsembleConfig,
    InputError,
    load_config,
    one_of,
    read_params,
)
from cifar10.engine.inference import PredictConfig
from cifar10.training.trainer import TrainConfig

DEFAULTS = read_default_params()


def test_the_shipped_params_are_valid_and_complete():
    params = ROOT / "params.yaml"
    assert tuple(read_params(params)) == TOP_LEVEL_KEYS
    train = load_config(TrainConfig, params)
    load_config(DataConfig, params, "data")
    load_config(EnsembleConfig, params, "ensemble")
    load_config(PredictConfig, params, "predict")
    # every key is read by some config class, so none can be changed without effect
    assert set(TOP_LEVEL_KEYS) == set(train.model_dump()) | {"data", "ensemble", "predict", "evaluate"}


def test_every_parameter_has_a_comment_and_every_field_a_sentence():
    for line in (ROOT / "params.yaml").read_text().splitlines():
        key, _, value = line.partition(":")
        if value.strip() and not line.startswith("#") and key.strip() != "name":
            assert "#" in value, f"{line}: no comment"
    for kind in (DataConfig, EnsembleConfig, PredictConfig, TrainConfig):
        for name, field in kind.model_fields.items():
            nested = isinstance(field.annotation, type) and issubclass(field.annotation, Config)
            fields = field.annotation.model_fields.items() if nested else [(name, field)]  # type: ignore[union-attr]
            for inner, inner_field in fields:
                assert inner_field.description, f"{kind.__name__}.{inner}: no sentence below it"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"lr": "fast"}, "lr: input should be a valid number, not 'fast'"),
        ({"lr": -1}, "lr: input should be greater than 0, not -1"),
        ({"lr": float("nan")}, "lr: input should be a finite number, not nan"),
        ({"lr": float("inf")}, "lr: input should be a finite number, not inf"),
        ({"lr": True}, "lr: input should be a valid number, not true"),
        ({"lr": None}, "lr: input should be a valid number, not null"),
        ({"epochs": 2.5}, "epochs: input should be a valid integer"),
        ({"epochs": 0}, "epochs: input should be greater than or equal to 1, not 0"),
        ({"epochs": 2.0}, "epochs: input should be a whole number without a point, not 2.0"),
        ({"schedule.name": None}, "schedule.name: input should be a valid string, not null"),
        ({"epochs": "10"}, "epochs: input should be a valid integer, not '10'"),
        ({"batch_size": 1}, "batch_size: input should be greater than or equal to 2"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0"),
        ({"seed": 2**32}, "seed: input should be less than 4294967296"),
        (
            {"optimizer": {**DEFAULTS["optimizer"], "momentun": 0.9}},
            "optimizer.momentun: unknown key; did you mean momentum?",
        ),
        ({"optimizer.momentum": 1.0}, "optimizer.momentum: input should be less than 1"),
        ({"optimizer.name": "sdg"}, "optimizer.name: choose one of sgd, adam, adamw, rmsprop, muon, not 'sdg'"),
        ({"optimizer": 3}, "optimizer: expected `key: value` lines below it, not 3"),
        (
            {"schedule.name": "cos"},
            "schedule.name: choose one of constant, multistep, piecewise, cosine, linear, onecycle, plateau, not 'cos'",
        ),
        ({"schedule.milestones_epochs": [30, "60"]}, "schedule.milestones_epochs.1: input should be a valid integer"),
        (
            {"model.name": "resnet81"},
            "model.name: choose one of lenet, cnn2, cnn3, mynet, dainet1, dainet7, fastnet, resnet9,",
        ),
        ({"augment.horizontal_flip": "yes"}, "augment.horizontal_flip: input should be a valid boolean, not 'yes'"),
        ({"augment.crop_padding_pixels": 17}, "augment.crop_padding_pixels: input should be less than or equal to 16"),
        ({"runtime.device": "gpu"}, "runtime.device: input should be 'auto', 'cpu', 'cuda' or 'mps', not 'gpu'"),
        ({"loss.label_smoothing": 1}, "loss.label_smoothing: input should be less than 1"),
    ],
)
def test_a_bad_training_parameter_is_one_line_with_its_key(tmp_path: Path, overrides, expected):
    params = tmp_path / "params.yaml"
    write_params(params, overrides)
    with pytest.raises(InputError) as error:
        load_config(TrainConfig, params)
    assert str(error.value).startswith(f"{params}: {expected}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"ensemble.seeds": 0}, "ensemble.seeds: input should be greater than or equal to 1, not 0"),
        ({"ensemble.folds": 1}, "ensemble.folds: input should be 0 (off) or at least 2, not 1"),
    ],
)
def test_a_bad_ensemble_is_one_line_with_its_key(tmp_path: Path, overrides, expected):
    params = tmp_path / "params.yaml"
    write_params(params, overrides)
    with pytest.raises(InputError) as error:
        load_config(EnsembleConfig, params, "ensemble")
    assert str(error.value) == f"{params}: {expected}"


def test_a_number_without_a_point_is_a_number(tmp_path: Path):
    """PyYAML reads 5e-4 as text; DVC and we do not."""
    params = tmp_path / "params.yaml"
    params.write_text((ROOT / "params.yaml").read_text().replace("5.0e-4", "5e-4"))
    assert load_config(TrainConfig, params).optimizer.weight_decay == 0.0005


def test_one_of_takes_new_entries_of_its_dict():
    choices = {"a": 1}

    class Choice(Config):
        name: Annotated[str, one_of(choices)]

    choices["b"] = 2
    assert Choice(name="b").name == "b"
