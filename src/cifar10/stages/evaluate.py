"""evaluate: what the model gets right, on the validation part and on test images whose labels are known."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor, nn

from cifar10.core.config import InputError, load_config
from cifar10.core.files import atomic_write
from cifar10.core.stage import run_stage
from cifar10.core.tables import write_csv
from cifar10.data.dataset import UNKNOWN, ImageSet, load_prepared
from cifar10.engine.inference import PredictConfig, predict_logits
from cifar10.engine.processes import in_processes
from cifar10.engine.provenance import file_md5, machine, read_log
from cifar10.engine.runtime import Runtime, RuntimeConfig, num_processes
from cifar10.evaluation import lineage
from cifar10.evaluation.metrics import score
from cifar10.evaluation.out_of_fold import Judged, judge, judge_validation, member_figures
from cifar10.evaluation.report.page import Measured, Origin, write_report
from cifar10.models.checkpoint import TrainedModel, check_classes, load_model

# What `dvc exp show` has room for; the rest is in the tables.
HEADLINE = ("accuracy", "macro_f1", "images", "member_accuracy", "member_accuracy_sd", "gain")


def main(prepared: Path, model_file: Path, history: Path, card: Path, reports: Path, report: Path) -> None:
    """Write figures, predictions and a table by class for both parts into `reports`, and the page `report`.

    A part without known labels has tables without rows and no entry in `metrics.json`. Predicts exactly as the stage
    `predict` does, test-time augmentation included: the figures are the submission's.
    """
    config = load_config(PredictConfig, section="predict")
    runtime = Runtime(load_config(RuntimeConfig, section="runtime"))
    data, trained = load_prepared(prepared), load_model(model_file)
    counts, epochs = _read_card(card), _read_history(history)
    check_classes(trained, data.classes, model_file)
    runtime.to_device(trained.model)

    def predict(name: str, network: nn.Module, part: ImageSet) -> Float[Tensor, "images classes"]:
        compiled = runtime.compiled(network)
        return predict_logits(compiled, part.images, trained.mean, trained.std, config, runtime, f"evaluate: {name}")

    known = data.test.select(np.flatnonzero(data.test.labels != UNKNOWN))
    with runtime.explain_out_of_memory("predict.batch_size", config.images_per_pass(runtime), smallest=1):
        parts = {
            "validation": judge_validation(trained.model, data, partial(predict, "validation")),
            "test": judge(trained.model, known, partial(predict, "test")),
        }
    if not runtime.world.is_first:
        return
    measured: dict[str, Measured] = {}
    for name, part in parts.items():
        if len(part.images):
            measured[name] = _measure(part, trained.classes)
            print(f"evaluate: {name}: {_told(measured[name].score)}")
        prefix = "" if name == "validation" else f"{name}_"
        write_csv(reports / f"{prefix}predictions.csv", _predictions(part, trained.classes))
        write_csv(reports / f"{prefix}per_class.csv", _per_class(measured.get(name)))

    if not measured:
        print("evaluate: no labelled image was held back, so there is nothing to measure on")

    metrics = reports / "metrics.json"
    origin = _origin(model_file, trained, metrics)
    headline = {
        name: {key: part.score[key] for key in HEADLINE if key in part.score} for name, part in measured.items()
    }
    atomic_write(metrics, json.dumps(headline, indent=2) + "\n")
    write_report(report, trained, data, counts, epochs, measured, origin)


def _read_card(path: Path) -> dict[str, Any]:
    """The data card, whose counts by class the report shows."""
    try:
        card = json.loads(path.read_bytes())
        _ = [dict(card[part]["per_class"]) for part in ("train", "validation")]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: no whole data card; `dvc repro prepare` makes it anew") from None
    return card


def _read_history(path: Path) -> pd.DataFrame:
    """The training's figures, one row for each epoch."""
    try:
        table = pd.read_csv(path)
    except ValueError:  # pandas' own errors are some
        table = pd.DataFrame()
    if not {"epoch", "train_loss", "lr"} <= set(table.select_dtypes("number")) or table.empty:
        raise InputError(f"{path}: no whole history; `dvc repro train` makes it anew")
    return table


def _origin(model_file: Path, trained: TrainedModel, metrics: Path) -> Origin:
    """What of this run no parameter determines; the report is the only out that may tell it."""
    return Origin(
        commit=lineage.commit(),
        code_commit=lineage.commit_with("train", trained.provenance.get("code")),
        changed_params=lineage.changed_params(),
        machine=machine(),
        training=read_log(file_md5(model_file)),
        previous=json.loads(lineage.committed_out(metrics) or "{}"),
    )


def _measure(part: Judged, classes: list[str]) -> Measured:
    result = score(part.images.labels, part.logits.argmax(1).numpy(), classes)
    return Measured(part.images, part.logits, {**result, **member_figures(part)})


def _told(score: dict[str, Any]) -> str:
    """The figures as one line; of an ensemble, what it gains over its members too."""
    line = f"accuracy {score['accuracy']:.4f}, macro F1 {score['macro_f1']:.4f}"
    if "gain" not in score:
        return line
    alone = f"{score['member_accuracy']:.4f} ± {score['member_accuracy_sd']:.4f}"
    return f"{line}; a member alone {alone}, gain {100 * score['gain']:+.2f} points"


def _predictions(part: Judged, classes: list[str]) -> pd.DataFrame:
    columns = ["id", "label", "predicted", "confidence"]
    if not len(part.images):
        return pd.DataFrame(columns=columns)
    confidence, predicted = part.logits.double().softmax(1).max(1)
    names = np.array(classes, dtype=object)
    values = (part.images.ids, names[part.images.labels], names[predicted.numpy()], confidence.numpy().round(6))
    return pd.DataFrame(dict(zip(columns, values, strict=True)))


def _per_class(part: Measured | None) -> pd.DataFrame:
    columns = ["class", "precision", "recall", "f1", "accuracy", "support"]
    per_class = part.score["per_class"] if part else {}
    return pd.DataFrame([{"class": name, **values} for name, values in per_class.items()], columns=columns)


if __name__ == "__main__":
    run_stage(in_processes(main, num_processes))
