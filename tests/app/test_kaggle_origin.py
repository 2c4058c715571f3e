"""What is recorded of the run that a submission is of: its own figures and parameters, or none."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from kaggle_user import ROOT

from cifar10.app.kaggle.leaderboard import MAX_MESSAGE_CHARACTERS, describe
from cifar10.app.kaggle.recipe_run import validation_accuracy
from cifar10.app.kaggle.submitted_file import Origin
from cifar10.app.paths import METRICS, MODEL
from cifar10.core.config import InputError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project after a run."""
    monkeypatch.chdir(tmp_path)
    METRICS.parent.mkdir(parents=True)
    write_metrics({"validation": {"accuracy": 0.925}})
    Path("params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    for command in (["init", "-q"], ["add", "params.yaml"]):
        subprocess.run(["git", *command], check=True)
    identity = ("-c", "user.name=student", "-c", "user.email=student@localhost")
    subprocess.run(["git", *identity, "commit", "-qm", "as published"], check=True)
    return tmp_path


def write_metrics(content: object) -> None:
    METRICS.write_text(json.dumps(content))


def write_lock(evaluated: str = "a", submitted: str = "a", **params: object) -> None:
    """A dvc.lock by whose words `evaluate` and `predict` read models with these checksums."""
    models = {"evaluate": evaluated, "predict": submitted}
    stages: dict[str, object] = {
        name: {"deps": [{"path": str(MODEL), "md5": md5}], "params": {}} for name, md5 in models.items()
    }
    stages["train"] = {"deps": [], "params": {"params.yaml": params}}
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": stages}))


def test_the_figure_is_of_the_model_that_labelled_the_images(folder: Path) -> None:
    """After `dvc repro predict` it may be of the model before."""
    assert validation_accuracy() == ("0.925", "")  # no dvc.lock: nothing says otherwise
    write_lock()
    assert validation_accuracy() == ("0.925", "")
    write_lock(evaluated="a", submitted="b")
    assert validation_accuracy() == ("", "")


@pytest.mark.parametrize("content", [{"validation": {"accuracy": None}}, {"validation": {"accuracy": "high"}}, [1]])
def test_a_figure_that_could_not_be_read_back_is_not_recorded(folder: Path, content: object) -> None:
    write_metrics(content)
    with pytest.raises(InputError, match=r"metrics\.json: not whole; `dvc repro` makes it anew"):
        validation_accuracy()


def test_the_description_is_of_the_run_and_not_of_what_was_changed_since(folder: Path) -> None:
    write_lock(lr=0.1, model={"name": "lenet"})
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("lr: 0.02 ", "lr: 0.03 ").replace("epochs: 4 ", "epochs: 9 "))
    message = describe(Path("x.csv"), Origin("workspace", "abc1234", "0.925"))
    assert message == "workspace abc1234 lr=0.1 epochs=9 model.name=lenet validation 0.9250"
    write_lock(lr=0.1, epochs=4)
    message = describe(Path("x.csv"), Origin("workspace", "abc1234", "0.925"))
    assert message == "workspace abc1234 lr=0.1 validation 0.9250"


def test_a_long_description_is_cut_where_the_parameters_are(folder: Path) -> None:
    write_lock(model={"pretrained": "x" * MAX_MESSAGE_CHARACTERS})
    message = describe(Path("x.csv"), Origin("workspace", "abc1234", "0.925", "data.val_fraction=0.2"))
    assert len(message) == MAX_MESSAGE_CHARACTERS
    assert message.endswith("xxx... validation 0.9250 of data.val_fraction=0.2")
