"""evaluate: what the model gets right, on the validation part and on test images whose labels are known."""

import json
from pathlib import Path

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
from cifar10.report import write_report
from cifar10.runtime import Runtime, RuntimeConfig
from cifar10.tables import write_csv


def main(prepared: Path, model_file: Path, history: Path, reports: Path, report: Path) -> None:
    """Write `metrics.json`, `predictions.csv` and `per_class.csv` into `reports`, and the page `report`.

    Predicts exactly as the stage `predict` does, test-time augmentation included: the figures are the submission's.
    """
    config, runtime = (
        load_config(PredictConfig, section="predict"),
        Runtime(load_config(RuntimeConfig, section="runtime")),
    )
    data, trained = load_prepared(prepared), load_model(model_file)
    model = runtime.place(trained.model)
    known_rows = np.flatnonzero(data.test.labels != UNKNOWN)
    parts = {"validation": data.val, "test": data.test.select(known_rows)}
    metrics, tables = {}, {}
    for name, part in parts.items():
        if len(part):
            logits = predict_logits(model, part.images, trained.mean, trained.std, config, runtime, f"evaluate: {name}")
            tables[name] = _predictions(part, logits, trained.classes)
            metrics[name] = score(part.labels, logits.argmax(1).numpy(), trained.classes)

    # The validation part where there is one; a final fit without it is looked at through the test labels, if known.
    shown = next(iter(metrics), None)
    empty = pd.DataFrame(columns=["id", "label", "predicted", "confidence"])
    write_csv(reports / "predictions.csv", tables.get(shown, empty))
    per_class = metrics[shown]["per_class"] if shown else {}
    write_csv(reports / "per_class.csv", _per_class(per_class))
    atomic_write(reports / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    write_report(report, metrics, pd.read_csv(history), tables.get(shown, empty), trained.classes, trained.config)
    for name, values in metrics.items():
        print(f"evaluate: {name}: accuracy {values['accuracy']:.4f}, macro F1 {values['macro_f1']:.4f}")


def _predictions(part: ImageSet, logits: Float[Tensor, "images classes"], classes: list[str]) -> pd.DataFrame:
    confidence, predicted = logits.double().softmax(1).max(1)
    names = np.array(classes, dtype=object)
    return pd.DataFrame(
        {
            "id": part.ids,
            "label": names[part.labels],
            "predicted": names[predicted.numpy()],
            "confidence": confidence.numpy().round(6),
        }
    )


def _per_class(per_class: dict[str, dict[str, float]]) -> pd.DataFrame:
    columns = ["class", "precision", "recall", "f1", "accuracy", "support"]
    return pd.DataFrame([{"class": name, **values} for name, values in per_class.items()], columns=columns)


if __name__ == "__main__":
    stages.run(main)
