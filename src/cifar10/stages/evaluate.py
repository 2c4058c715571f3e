"""evaluate: what the model gets right, on the validation part and on test images whose labels are known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from cifar10 import stages
from cifar10.checkpoint import load_model
from cifar10.config import load_config
from cifar10.dataset import UNKNOWN, ImageSet, load_prepared
from cifar10.files import atomic_write
from cifar10.inference import PredictConfig, predict_logits
from cifar10.metrics import score
from cifar10.processes import in_processes
from cifar10.report import write_report
from cifar10.runtime import Runtime, RuntimeConfig, num_processes
from cifar10.tables import write_csv

# What `dvc exp show` has room for; the rest is in the tables.
HEADLINE = ("accuracy", "macro_f1", "images")


def main(prepared: Path, model_file: Path, history: Path, reports: Path, report: Path) -> None:
    """Write figures, predictions and a table by class for both parts into `reports`, and the page `report`.

    A part without known labels has tables without rows and no entry in `metrics.json`. Predicts exactly as the stage
    `predict` does, test-time augmentation included: the figures are the submission's.
    """
    config = load_config(PredictConfig, section="predict")
    runtime = Runtime(load_config(RuntimeConfig, section="runtime"))
    data, trained = load_prepared(prepared), load_model(model_file)
    model = runtime.compiled(runtime.place(trained.model))
    parts = {"validation": data.val, "test": data.test.select(np.flatnonzero(data.test.labels != UNKNOWN))}
    logits = {
        name: predict_logits(model, part.images, trained.mean, trained.std, config, runtime, f"evaluate: {name}")
        for name, part in parts.items()
    }
    if not runtime.world.is_first:
        return
    scores: dict[str, dict[str, Any]] = {}
    predictions: dict[str, pd.DataFrame] = {}
    for name, part in parts.items():
        predictions[name] = _predictions(part, logits[name], trained.classes)
        if len(part):
            scores[name] = score(part.labels, logits[name].argmax(1).numpy(), trained.classes)
            print(f"evaluate: {name}: accuracy {scores[name]['accuracy']:.4f}, macro F1 {scores[name]['macro_f1']:.4f}")
        prefix = "" if name == "validation" else f"{name}_"
        write_csv(reports / f"{prefix}predictions.csv", predictions[name])
        write_csv(reports / f"{prefix}per_class.csv", _per_class(scores.get(name, {}).get("per_class", {})))

    headline = {name: {key: values[key] for key in HEADLINE} for name, values in scores.items()}
    atomic_write(reports / "metrics.json", json.dumps(headline, indent=2) + "\n")
    shown = next(iter(scores), "validation")
    write_report(report, scores, pd.read_csv(history), predictions[shown], trained.classes, trained.config)


def _predictions(part: ImageSet, logits: Float[Tensor, "images classes"], classes: list[str]) -> pd.DataFrame:
    columns = ["id", "label", "predicted", "confidence"]
    if not len(part):
        return pd.DataFrame(columns=columns)
    confidence, predicted = logits.double().softmax(1).max(1)
    names = np.array(classes, dtype=object)
    values = (part.ids, names[part.labels], names[predicted.numpy()], confidence.numpy().round(6))
    return pd.DataFrame(dict(zip(columns, values, strict=True)))


def _per_class(per_class: dict[str, dict[str, float]]) -> pd.DataFrame:
    columns = ["class", "precision", "recall", "f1", "accuracy", "support"]
    return pd.DataFrame([{"class": name, **values} for name, values in per_class.items()], columns=columns)


if __name__ == "__main__":
    stages.run(in_processes(main, num_processes))
