"""The first stage: the keys of params.yaml by name."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, read_default_params
from ruamel.yaml import YAML

from cifar10.core.config import DataConfig, EnsembleConfig, InputError
from cifar10.engine.inference import PredictConfig
from cifar10.engine.runtime import RuntimeConfig
from cifar10.evaluation.results import EvaluateConfig
from cifar10.stages.params import SECTION_KEYS, main


def test_the_keys_are_those_of_the_config_classes():
    classes = {
        "data": DataConfig,
        "ensemble": EnsembleConfig,
        "runtime": RuntimeConfig,
        "predict": PredictConfig,
        "evaluate": EvaluateConfig,
    }
    assert {name: list(keys) for name, keys in SECTION_KEYS.items()} == {
        name: list(kind.model_fields) for name, kind in classes.items()
    }


def test_the_sections_tracked_key_by_key_are_among_them():
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].values()
    tracked = {key for stage in stages for key in stage.get("params", []) if "." in key}
    assert tracked
    assert {key.partition(".")[0] for key in tracked} <= set(SECTION_KEYS)


@pytest.mark.parametrize(
    ("section", "key", "told"),
    [
        (None, "learning_rate", "learning_rate: unknown key; did you mean lr?"),
        (None, "num_epochs", "num_epochs: unknown key; did you mean epochs?"),
        (None, "weight_decay", "weight_decay: unknown key; did you mean optimizer.weight_decay?"),
        (None, 7, "7: unknown key; the keys are seed, lr,"),
        ("runtime", "devise", "runtime.devise: unknown key; did you mean device?"),
        ("data", "split", "data.split: unknown key; did you mean split_seed?"),
    ],
)
def test_an_unknown_key_is_told_with_the_one_that_was_meant(tmp_path: Path, section, key, told):
    params = read_default_params()
    (params[section] if section else params)[key] = 0.5
    YAML().dump(params, tmp_path / "params.yaml")
    with pytest.raises(InputError) as error:
        main(tmp_path / "params.yaml", tmp_path / "keys.txt")
    assert told in str(error.value)
    assert not (tmp_path / "keys.txt").exists()


def test_what_it_writes_does_not_depend_on_the_values(tmp_path: Path):
    main(ROOT / "params.yaml", tmp_path / "default.txt")
    YAML().dump({**read_default_params(), "lr": 0.5, "data": "wrong"}, tmp_path / "params.yaml")
    main(tmp_path / "params.yaml", tmp_path / "other.txt")
    assert (tmp_path / "default.txt").read_text() == (tmp_path / "other.txt").read_text()


def test_it_imports_nothing_heavy():
    code = "import sys, cifar10.stages.params; print({'torch', 'numpy', 'dvc', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
