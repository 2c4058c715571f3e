"""The benchmarks run and their figures hang together; how large they are is not tested."""

import json
from pathlib import Path

import inference
import pytest
import time_to_accuracy
import train_speed
from conftest import ROOT, train_config

from cifar10.data.dataset import PreparedData
from cifar10.models import build_model
from cifar10.models.checkpoint import TrainedModel, save_model


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_training_speed_has_a_row_for_every_runtime_and_for_the_usual_way(tiny_prepared: Path, tmp_path: Path, capsys):
    result = tmp_path / "result.json"
    small = ["--set", "batch_size=12", "--set", "model.name=lenet", "--steps", "2"]
    train_speed.main(["--prepared", str(tiny_prepared), "--result", str(result), *small])
    figures = json.loads(result.read_text())
    assert list(figures["rows"]) == [*train_speed.ROWS, "the usual way"]
    row = figures["rows"]["float32"]
    assert row["images_per_second"] > 0
    assert row["utilization"] == pytest.approx(row["tflops"] / row["peak_tflops"], rel=0.5)
    assert "times as fast as the usual way" in capsys.readouterr().out


def test_prediction_speed_has_a_row_for_every_kind(
    tiny_data: PreparedData, tiny_prepared: Path, tmp_path: Path, capsys
):
    config = train_config(model__name="lenet").model
    trained = TrainedModel(build_model(config, 3), config, tiny_data.classes, tiny_data.mean, tiny_data.std)
    save_model(tmp_path / "model.pt", trained)
    where = ["--model", tmp_path / "model.pt", "--prepared", tiny_prepared, "--result", tmp_path / "result.json"]
    inference.main([*map(str, where), "--images", "30", "--set", "predict.batch_size=12"])
    figures = json.loads((tmp_path / "result.json").read_text())
    assert list(figures["rows"]) == list(inference.ROWS)
    row = figures["rows"]["six views"]
    assert row["images_per_second"] == pytest.approx(30 / row["seconds"], rel=0.5) or row["seconds"] < 0.05
    assert capsys.readouterr().out.startswith("30 images, ")


def test_time_to_accuracy_runs_a_recipe_and_its_peer_on_the_same_images(tiny_prepared: Path, tmp_path: Path, capsys):
    pytest.importorskip("airbench", reason="the peer is not installed: pip install --no-deps airbench==0.1.8")
    result = tmp_path / "result.json"
    small = ["--epochs", "1", "--seeds", "2", "--set", "batch_size=12", "--prepared", str(tiny_prepared)]
    time_to_accuracy.main(["fast", "airbench94", *small, "--result", str(result)])
    rows = json.loads(result.read_text())["rows"]
    for row in rows.values():
        assert [run["seed"] for run in row["runs"]] == [0, 1]
        assert row["process_seconds"] > row["runs"][0]["train_seconds"] > 0
        assert all(0 <= run["accuracy"] <= 1 for run in row["runs"])
    ours, peers = rows["fast"]["runs"][0], rows["airbench94"]["runs"][0]
    # Per image: one network is modelled on the other, whose stem has a bias to train.
    per_image = [run["train_flops"] / rows["fast"]["train_images"] for run in (ours, peers)]
    assert per_image[0] < per_image[1] < 1.1 * per_image[0]
    assert "fast takes" in capsys.readouterr().out
