"""The stages train, evaluate and predict called in this process, so that shapes and types are checked in them too."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import NUM_TEST, NUM_TRAIN, train_config, write_params, write_tiny

from cifar10.core.config import InputError
from cifar10.core.tables import read_table
from cifar10.data.batches import normalize
from cifar10.data.dataset import load_prepared
from cifar10.models import build_model
from cifar10.models.checkpoint import TrainedModel, load_model, save_model
from cifar10.stages import evaluate, predict, prepare, train

SMALL = {"model.name": "cnn2", "epochs": 2, "batch_size": 12, "predict.tta": "flip"}


def run(here: Path, raw: dict | None = None, **overrides) -> None:
    write_params(here / "params.yaml", {**SMALL, **{key.replace("__", "."): v for key, v in overrides.items()}})
    write_tiny(here / "raw", **(raw or {}))
    prepare.main(here / "raw", here / "prepared", here / "data.json")
    train.main(here / "prepared", here / "model.pt", here / "train")
    evaluate.main(
        here / "prepared", here / "model.pt", here / "train/history.csv", here / "data.json",
        here / "eval", here / "report.html",
    )  # fmt: skip
    predict.main(here / "prepared", here / "raw/sampleSubmission.csv", here / "model.pt", here / "submission.csv")


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_figure_follows_from_the_predictions(here: Path):
    run(here, epochs=6, evaluate__training_accuracy=True)
    metrics = json.loads((here / "eval/metrics.json").read_text())
    assert list(metrics) == ["validation", "test", "training"]
    assert list(metrics["validation"]) == ["accuracy", "macro_f1", "images", "largest_class_share"]
    tables = {"validation": "predictions.csv", "test": "test_predictions.csv"}
    for part, name in tables.items():
        table = pd.read_csv(here / "eval" / name)
        assert metrics[part]["accuracy"] == (table["label"] == table["predicted"]).mean()
        assert table["confidence"].between(1 / 3, 1).all()
    # The training images are measured as they are, although predictions are the mean over an image and its mirror.
    data, trained = load_prepared(here / "prepared"), load_model(here / "model.pt")
    pixels = normalize(torch.from_numpy(data.train.images), trained.mean, trained.std)
    correct = trained.model(pixels).argmax(1).numpy() == data.train.labels
    assert metrics["training"]["accuracy"] == correct.mean()
    # What is submitted is what was measured: the same labels for the same test images.
    submission = read_table(here / "submission.csv")
    assert submission["label"].tolist() == pd.read_csv(here / "eval/test_predictions.csv")["predicted"].tolist()


def test_unknown_test_labels_leave_tables_without_rows(here: Path):
    run(here, raw={"test_labels": {}})
    assert list(json.loads((here / "eval/metrics.json").read_text())) == ["validation"]
    assert len(pd.read_csv(here / "eval/test_predictions.csv")) == 0
    assert len(read_table(here / "submission.csv")) == NUM_TEST


def test_nothing_known_to_measure_on(here: Path):
    run(here, raw={"test_labels": {}}, data__val_fraction=0)
    assert json.loads((here / "eval/metrics.json").read_text()) == {}
    assert "nothing left to measure on" in (here / "report.html").read_text()
    assert len(read_table(here / "submission.csv")) == NUM_TEST


def test_no_test_images_make_an_empty_submission(here: Path):
    run(here, raw={"test": [], "test_ids": [], "test_labels": {}})
    assert (here / "submission.csv").read_text() == "id,label\n"


def test_the_history_counts_epochs_and_the_log_keeps_the_clock(here: Path):
    run(here)
    history, clock = pd.read_csv(here / "train/history.csv"), pd.read_csv(here / "logs/train_timing.csv")
    assert history["epoch"].tolist() == clock["epoch"].tolist() == [1, 2]
    assert (clock["images_per_second"] * clock["seconds"]).round().tolist() == [NUM_TRAIN - 10] * 2
    metrics = json.loads((here / "train/metrics.json").read_text())
    assert metrics["parameters"] == 34_634 - 7 * 2049  # cnn2 with 3 classes instead of 10
    assert metrics["last"]["val_accuracy"] == history["val_accuracy"].iloc[-1]


@pytest.mark.parametrize("stage", [evaluate, predict])
def test_out_of_memory_names_the_batch_size(here: Path, tiny_prepared: Path, monkeypatch, stage):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    write_params(here / "params.yaml", {})
    data, config = load_prepared(tiny_prepared), train_config(model__name="lenet").model
    save_model(here / "model.pt", TrainedModel(build_model(config, 3), config, data.classes, data.mean, data.std))
    monkeypatch.setattr(stage, "predict_logits", fail)
    others = [here / name for name in ("history.csv", "data.json", "c", "d")]
    others[0].write_text("epoch,lr,train_loss\n1,0.1,2.3\n")
    others[1].write_text('{"train": {"per_class": {}}, "validation": {"per_class": {}}}')
    with pytest.raises(
        InputError, match=r"^out of memory with predict\.batch_size 128; try predict\.batch_size 64, or"
    ):
        if stage is evaluate:
            evaluate.main(tiny_prepared, here / "model.pt", *others)
        else:
            predict.main(tiny_prepared, others[0], here / "model.pt", others[1])
    assert sorted(path.name for path in here.iterdir()) == ["data.json", "history.csv", "model.pt", "params.yaml"]


def test_out_of_fold_predictions_cover_every_labelled_image_once(here: Path):
    run(here, ensemble__folds=3, ensemble__seeds=2, epochs=1)
    metrics = json.loads((here / "eval/metrics.json").read_text())
    table = pd.read_csv(here / "eval/predictions.csv")
    assert table["id"].tolist() == list(range(1, NUM_TRAIN + 1))
    for part in metrics.values():
        assert part["gain"] == pytest.approx(part["accuracy"] - part["member_accuracy"])
    assert metrics["validation"]["images"] == NUM_TRAIN
    assert metrics["validation"]["accuracy"] == (table["label"] == table["predicted"]).mean()
    submission = read_table(here / "submission.csv")
    assert submission["label"].tolist() == pd.read_csv(here / "eval/test_predictions.csv")["predicted"].tolist()
    page = (here / "report.html").read_text()
    assert "6 networks of 20,291 weights, each" in page
    assert "one of the networks alone" in page
    assert "predicted by the networks that were trained without it" in page
