"""A report on the tiny competition, by a network that has learnt nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from conftest import train_config
from torch import Tensor, nn

from cifar10.data.dataset import ImageSet, PreparedData
from cifar10.engine.inference import PredictConfig, predict_logits
from cifar10.engine.runtime import Runtime
from cifar10.evaluation.origin import Origin
from cifar10.evaluation.out_of_fold import predict_images
from cifar10.evaluation.report.page import write_report
from cifar10.evaluation.results import Measured, measure
from cifar10.models import build_model
from cifar10.models.checkpoint import TrainedModel
from cifar10.preparation.data_card import describe

HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2],
        "lr": [0.1, 0.01],
        "train_loss": [2.0, 1.0],
        "train_accuracy": [0.2, 0.4],
        "val_loss": [1.9, 1.1],
        "val_accuracy": [0.3, 0.5],
    }
)
MACHINE = {"python": "3.11.7", "versions": {"torch": "2.14.1"}, "device": "a processor, 2 cores", "threads": 2}
PROVENANCE = {**MACHINE, "code": "0123456789abcdef", "runtime": "cpu, 2 threads, float32", "python": "3.12.1"}
ORIGIN = Origin(
    commit="abc1234",
    code_commit="def5678",
    changed_params={"lr": 0.1, "model.name": "<lenet>"},
    machine=MACHINE,
    training={"seconds": 1234.5, "runtime": "cpu, 2 threads, float32", **MACHINE},
    previous={"validation": {"accuracy": 0.25, "macro_f1": 0.2, "images": 10}},
)
NOTHING_KNOWN = Origin(commit="", code_commit="", changed_params={}, machine=MACHINE, training=None, previous={})


def write_tiny_report(
    path: Path, data: PreparedData, provenance: dict[str, Any] = PROVENANCE, **changes: Any
) -> dict[str, Measured]:
    """Write the page, with arguments of `write_report` replaced; returns its parts."""
    torch.manual_seed(0)
    config = train_config(model__name="cnn2")
    trained = TrainedModel(
        build_model(config.model, len(data.classes)).eval(), config.model, data.classes, data.mean, data.std, provenance
    )
    parts = {"validation": _measure(trained, data.val), "test": _measure(trained, data.test)}
    arguments = {
        "card": describe(data, np.arange(len(data.labelled)), np.arange(len(data.labelled))),
        "history": HISTORY,
        "parts": parts,
        "origin": ORIGIN,
    }
    write_report(path, trained, data, **{**arguments, **changes})
    return parts


def _measure(trained: TrainedModel, images: ImageSet) -> Measured:
    runtime = Runtime(train_config().runtime)
    plain = PredictConfig(batch_size=500, tta="none", tta_below_confidence=1.0)

    def predict(network: nn.Module, part: ImageSet) -> Tensor:
        return predict_logits(network, part.images, trained.mean, trained.std, plain, runtime)

    return measure(predict_images(trained.model, images, predict), trained.classes)
