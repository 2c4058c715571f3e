"""The benchmarks run and their figures hang together; how large they are is not tested."""

import json
from pathlib import Path

import inference
import norm_shift
import peers
import pytest
import time_to_accuracy
import torch
import train_speed
from conftest import ROOT, train_config
from torch import nn

from cifar10.data.dataset import PreparedData
from cifar10.engine.runtime import Runtime
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


def test_norms_are_estimated_without_the_dropout_in_front_of_them(tiny_data: PreparedData):
    """Of a norm on the pixels themselves the right statistics are known; with dropout their variance is larger."""
    norm = nn.BatchNorm2d(3)
    norm.load_state_dict({**norm.state_dict(), "running_var": torch.full((3,), 100.0)})
    network = nn.Sequential(nn.Dropout(0.5), norm, nn.AdaptiveMaxPool2d(1), nn.Flatten())
    config = train_config().model
    trained = TrainedModel(network.eval(), config, tiny_data.classes, [0.5] * 3, [0.5] * 3)
    rows = norm_shift.measure(trained, tiny_data.train, tiny_data.val, Runtime(train_config().runtime))
    assert len(rows) == 3
    pixels = tiny_data.train.images / 127.5 - 1
    estimated = norm.state_dict()
    assert estimated["running_mean"].numpy() == pytest.approx(pixels.mean((0, 2, 3)), abs=1e-4)
    assert estimated["running_var"].numpy() == pytest.approx(pixels.var((0, 2, 3)), rel=1e-3)
    answers = (tiny_data.val.images.max((2, 3)) / 127.5 - 1 - pixels.mean((0, 2, 3))) / pixels.std((0, 2, 3))
    right = (answers.argmax(1) == tiny_data.val.labels).mean()
    assert rows["norms estimated without dropout"] == pytest.approx(right)


def test_the_norms_of_a_model_file_are_looked_at(tiny_data: PreparedData, tiny_prepared: Path, tmp_path: Path, capsys):
    config = train_config(model__name="dainet1").model
    trained = TrainedModel(build_model(config, 3), config, tiny_data.classes, tiny_data.mean, tiny_data.std)
    save_model(tmp_path / "model.pt", trained)
    norm_shift.main([str(tmp_path / "model.pt"), "--prepared", str(tiny_prepared)])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:34].strip() for line in lines] == [
        "as it is",
        "dropout and norms as in training",
        "norms estimated without dropout",
    ]
    assert all(0 <= float(line[34:]) <= 1 for line in lines)
    with pytest.raises(SystemExit, match=r"^error: .*none.pt: not found"):
        norm_shift.main([str(tmp_path / "none.pt"), "--prepared", str(tiny_prepared)])


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
    ours, theirs = rows["fast"]["runs"][0], rows["airbench94"]["runs"][0]
    # Per image: one network is modelled on the other, whose stem has a bias to train.
    per_image = [run["train_flops"] / rows["fast"]["train_images"] for run in (ours, theirs)]
    assert per_image[0] < per_image[1] < 1.1 * per_image[0]
    assert "fast takes" in capsys.readouterr().out


def test_a_peer_on_a_processor_multiplies_in_bfloat16_and_keeps_float32_elsewhere():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2))
    inner: list[torch.dtype] = []
    network[0].register_forward_hook(lambda module, inputs, maps: inner.append(maps.dtype))
    runtime = Runtime(train_config().runtime).in_precision("bfloat16")
    logits = peers.in_precision_of(runtime, network)(torch.rand(5, 3, 8, 8))
    assert inner == [torch.bfloat16]
    assert logits.dtype == torch.float32
    logits.sum().backward()
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert all(parameter.grad is not None for parameter in network.parameters())
