import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import ROOT, write_params

from cifar10.app.cli import main
from cifar10.app.experiments.recipes import load_experiments, parse_settings, with_overrides
from cifar10.core.config import read_params


@pytest.fixture
def project(tmp_path: Path, monkeypatch, tiny_prepared: Path) -> Path:
    """A folder with prepared data, a small recipe and a trained model that nothing may touch."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_prepared, tmp_path / "data/prepared")
    shutil.copy(ROOT / "experiments.yaml", tmp_path)
    write_params(tmp_path / "params.yaml", {"model.name": "lenet", "batch_size": 12})
    (tmp_path / "models").mkdir()
    (tmp_path / "models/model.pt").write_bytes(b"trained")
    return tmp_path


def refused(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_summary_of_a_named_network_and_of_the_recipes(project: Path, capsys):
    main(["summary", "cnn2"])
    assert "parameters   34,634" in capsys.readouterr().out
    main(["summary"])
    assert "parameters   62,006" in capsys.readouterr().out
    assert refused(capsys, "summary", "lenett").startswith("error: no network 'lenett'; there are lenet, cnn2, ")


def test_find_lr_writes_its_curve_and_leaves_the_model_alone(project: Path, capsys):
    main(["find-lr", "--steps", "30"])
    out = capsys.readouterr().out
    assert out.startswith("suggested lr ")
    assert "(params.yaml has 0.02)" in out
    lines = (project / "reports/find_lr.csv").read_text().splitlines()
    assert lines[0] == "lr,loss,smoothed"
    assert (project / "reports/find_lr.png").read_bytes().startswith(b"\x89PNG")
    assert (project / "models/model.pt").read_bytes() == b"trained"
    assert {path.name for path in project.iterdir()} == {"data", "models", "reports", "params.yaml", "experiments.yaml"}


def test_find_lr_refuses_a_range_that_is_none(project: Path, capsys):
    message = "error: --lowest 1 must be above 0 and below --highest 0.1\n"
    assert refused(capsys, "find-lr", "--lowest", "1", "--highest", "0.1") == message


def test_two_that_change_the_parameters_at_once_take_turns(project: Path):
    settings = ["seed=5", "data.split_seed=6", "data.resize=true", "loss.label_smoothing=0.25"]
    with ThreadPoolExecutor(len(settings)) as pool:
        list(pool.map(lambda setting: main(["use", "lenet", "-S", setting]), settings))
    params = read_params(Path("params.yaml"))
    assert params == with_overrides(params, parse_settings(settings))


def test_use_writes_a_recipe_into_the_parameters(project: Path, capsys):
    shutil.copy(ROOT / "params.yaml", project)
    before = read_params(Path("params.yaml"))
    main(["use", "fast", "-S", "data.source=kaggle", "-S", "epochs=9"])
    recipe = load_experiments()["fast"].overrides
    assert read_params(Path("params.yaml")) == with_overrides(before, {**recipe, "data.source": "kaggle", "epochs": 9})
    out = capsys.readouterr().out
    assert "model.name: fastnet\n" in out
    assert "optimizer.betas" not in out  # what stays as it is is not told
    assert out.endswith("params.yaml has the recipe fast; `dvc repro` runs it\n")


def test_use_leaves_the_parameters_alone_where_it_cannot(project: Path, capsys):
    before = (project / "params.yaml").read_bytes()
    assert refused(capsys, "use", "fats").startswith("error: experiments.yaml: no experiment 'fats'; there are fast")
    assert refused(capsys, "use", "fast", "-S", "epoch=3") == "error: epoch: params.yaml has no such key\n"
    assert (project / "params.yaml").read_bytes() == before


def test_replicate_refuses_a_name_it_does_not_know(project: Path, capsys):
    assert "no experiment 'resnt9'; there are resnet9" in refused(capsys, "replicate", "resnt9")
