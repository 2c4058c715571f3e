import pytest
from conftest import ROOT, read_default_params

from cifar10.app.experiments.recipes import find_experiment, load_experiments, parse_settings, with_overrides
from cifar10.core.config import DataConfig, InputError
from cifar10.engine.inference import PredictConfig
from cifar10.models import MODELS
from cifar10.training.trainer import TrainConfig

EXPERIMENTS = load_experiments(ROOT / "experiments.yaml")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_recipe_is_valid(name):
    params = with_overrides(read_default_params(), EXPERIMENTS[name].overrides)
    TrainConfig.model_validate({key: params[key] for key in TrainConfig.model_fields})
    DataConfig.model_validate(params["data"])
    PredictConfig.model_validate(params["predict"])


def test_every_network_has_a_recipe():
    assert {experiment.overrides.get("model.name", "resnet18_improved") for experiment in EXPERIMENTS.values()} == {
        *MODELS
    }


def test_no_recipe_depends_on_where_images_or_machine_are():
    keys = {key for experiment in EXPERIMENTS.values() for key in experiment.overrides}
    of_the_recipe = {"data.val_fraction", "data.normalization"}
    assert not {key for key in keys - of_the_recipe if key.startswith(("data.", "runtime.")) or key == "seed"}


def test_overrides_replace_keys_of_a_copy():
    params = {"lr": 0.1, "model": {"name": "lenet", "activation": None}}
    changed = with_overrides(params, {"lr": 0.2, "model.name": "cnn2"})
    assert changed == {"lr": 0.2, "model": {"name": "cnn2", "activation": None}}
    assert params == {"lr": 0.1, "model": {"name": "lenet", "activation": None}}


def test_settings_are_read_as_params_yaml_is():
    texts = ["lr=5e-4", "model.name=lenet", "model.pretrained=null", "optimizer.betas=[0.9, 0.99]", "epochs=3"]
    assert parse_settings(texts) == {
        "lr": 0.0005,
        "model.name": "lenet",
        "model.pretrained": None,
        "optimizer.betas": [0.9, 0.99],
        "epochs": 3,
    }


@pytest.mark.parametrize("key", ["nothing", "model.nothing", "nothing.name", "lr.deeper"])
def test_an_unknown_key_is_refused(key):
    with pytest.raises(InputError, match=f"^{key}: params.yaml has no such key$"):
        with_overrides({"lr": 0.1, "model": {"name": "lenet"}}, {key: 1})


def test_an_unknown_name_is_answered_with_near_ones():
    with pytest.raises(InputError, match=r"experiments.yaml: no experiment 'resnet19'; there are resnet9, resnet18"):
        find_experiment("resnet19", EXPERIMENTS)
