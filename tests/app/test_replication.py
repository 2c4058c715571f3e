import json
from pathlib import Path

import pytest
from conftest import ROOT, write_params
from tiny_repository import start_repository

from cifar10.app.experiments.recipes import Experiment
from cifar10.app.experiments.replication import compare, dvc_command
from cifar10.core.config import InputError

RECIPE = Experiment(
    published=0.5,
    measured_on="test",
    source="a test",
    overrides={"model.name": "lenet", "optimizer.betas": [0.9, 0.99], "model.pretrained": None, "lr": 5e-4},
)


def test_a_recipe_becomes_dvcs_command(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path / "params.yaml", {})
    assert dvc_command("small", RECIPE, 2, queue=False) == [
        *("dvc", "exp", "run", "--temp", "--force", "--name", "small-seed2"),
        *("-S", "model.name=lenet", "-S", "optimizer.betas=[0.9, 0.99]"),
        *("-S", "model.pretrained=null", "-S", "lr=0.0005", "-S", "seed=2"),
    ]
    assert "--queue" in dvc_command("small", RECIPE, 0, queue=True)
    wrong = RECIPE.model_copy(update={"overrides": {"modle.name": "lenet"}})
    with pytest.raises(InputError, match=r"modle.name: params.yaml has no such key"):
        dvc_command("small", wrong, 0, queue=False)


def test_published_and_measured_stand_side_by_side():
    metrics = {
        "small-seed0": {"validation": 0.4, "test": 0.5},
        "small-seed1": {"validation": 0.5, "test": 0.7},
        "small-seed7": {"validation": 0.9},
    }
    table = compare({"small": RECIPE, "other": RECIPE.model_copy(update={"published": None})}, 2, metrics)
    assert table.splitlines() == [
        "experiment  published  validation  test    runs",
        "small       0.5000     0.4500      0.6000  2",
        "other                                      0",
    ]


# What `replicate` needs of a pipeline, without the seconds of the real one: parameters in, model and accuracy out.
PIPELINE = """
stages:
  train:
    cmd: python train.py
    params: [seed, lr, model]
    outs: [models/model.pt]
    metrics: [reports/eval/metrics.json]
"""
TRAIN = """
import json
import pathlib
from ruamel.yaml import YAML

params = YAML(typ="safe").load(pathlib.Path("params.yaml"))
metrics = {"validation": {"accuracy": params["lr"]}, "test": {"accuracy": 2 * params["lr"]}}
for name, content in {"models/model.pt": params, "reports/eval/metrics.json": metrics}.items():
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
"""


def test_the_command_runs_recipes_through_dvc(tmp_path: Path):
    """Two recipes in a repository of its own; neither leaks into the other or into the workspace."""
    write_params(tmp_path / "params.yaml", {"model.name": "cnn2"})
    entry = {"published": 0.5, "measured_on": "test", "source": "a test"}
    recipes = {
        "one": {**entry, "overrides": {"model.name": "lenet", "lr": 0.25}},
        "two": {**entry, "overrides": {"lr": 0.125}},
    }
    files = {"experiments.yaml": json.dumps(recipes), "dvc.yaml": PIPELINE, "train.py": TRAIN}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    _, run = start_repository(tmp_path, ROOT / "src")
    before = (tmp_path / "params.yaml").read_text()
    lines = run("cifar10", "replicate", "one", "two").splitlines()
    assert [line.split() for line in lines[-2:]] == [
        ["one", "0.5000", "0.2500", "0.5000", "1"],
        ["two", "0.5000", "0.1250", "0.2500", "1"],
    ]
    assert (tmp_path / "params.yaml").read_text() == before
    assert not (tmp_path / "models/model.pt").exists()
    params = {name: run("git", "show", f"{sha(run, name)}:params.yaml") for name in ("one-seed0", "two-seed0")}
    assert "name: lenet" in params["one-seed0"]
    assert "name: cnn2" in params["two-seed0"]
    assert "queued" in run("cifar10", "replicate", "one", "--queue", "--seeds", "2")
    assert run("dvc", "queue", "status").count("one-seed") == 2


def sha(run, name: str) -> str:
    refs = run("git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    return next(line.split()[0] for line in refs if line.endswith(f"/{name}"))
