"""The page itself: gathers what each section shows and fills the template."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from cifar10.core.files import atomic_write
from cifar10.data.batches import normalize
from cifar10.data.dataset import PreparedData
from cifar10.evaluation.calibration import expected_calibration_error, fit_temperature, reliability_bins
from cifar10.evaluation.metrics import (
    MIN_IMAGES_OF_CLASS,
    accuracy_interval,
    classes_without_images,
    count_confusions,
    macro_f1_interval,
)
from cifar10.evaluation.origin import Origin
from cifar10.evaluation.report import figures
from cifar10.evaluation.report.figures import draw, short_names
from cifar10.evaluation.report.gradcam import gradcam
from cifar10.evaluation.report.inside import feature_maps, first_filters
from cifar10.evaluation.report.pictures import (
    color_uris,
    evenly_spaced,
    grey_uris,
    most_confident,
    overlay_uri,
    rows_by_class,
    to_uri,
)
from cifar10.evaluation.results import Measured, format_names
from cifar10.models import count_parameters
from cifar10.models.checkpoint import TrainedModel
from cifar10.models.ensemble import members_of

MAX_PREDICTIONS, MAX_MISTAKES, MAX_LOOKS_OF_EACH_KIND = 27, 18, 6
MAX_FILTERS, MAX_MAPS, MAX_EXAMPLES_OF_CLASS, MAX_CONFLICTS = 64, 32, 6, 8
MAX_EXAMPLES = 600  # of all classes: a page of a thousand classes can still be sent
MAX_CLASSES_SIDE_BY_SIDE = 25  # with more, bars fill several charts, and charts stand below each other
BOOTSTRAP_SEED = 0


def write_report(
    path: Path,
    trained: TrainedModel,
    data: PreparedData,
    card: dict[str, Any],
    history: pd.DataFrame,
    parts: dict[str, Measured],
    origin: Origin,
    training_score: dict[str, Any] | None = None,
) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        trained: the model, on the device where its pictures are computed; of an ensemble, its first network's.
        data: the prepared data; `card` is what `prepare` says of it.
        card: `reports/data.json`.
        history: one row for each epoch (`reports/train/history.csv`).
        parts: by name; the first is the one that is shown image by image. There may be none.
        origin: for the head and the foot of the page.
        training_score: of the training images, as `metrics.score` returns it, where they were measured.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cifar10.evaluation.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = next(iter(parts.values()), None)
    members = members_of(trained.model)
    first = replace(trained, model=members[0])
    page = environment.get_template("page.html.j2").render(
        model=trained.config,
        parameters=count_parameters(first.model),
        members=len(members),
        out_of_fold=len(data.folds) > 1,
        classes=trained.classes,
        parts={name: _headline(part, origin.previous.get(name)) for name, part in parts.items()},
        shown_part=next(iter(parts), None),
        origin=origin,
        provenance=trained.provenance,
        training=_training(history),
        training_score=training_score,
        many_classes=len(trained.classes) > MAX_CLASSES_SIDE_BY_SIDE,
        min_images_of_class=MIN_IMAGES_OF_CLASS,
        by_class=_by_class(shown, trained.classes) if shown else None,
        pictures=_pictures(shown, first) if shown else None,
        inside=_inside(first, shown.images.images[0] if shown else data.labelled.images[data.train_rows[0]]),
        calibration=_calibration(shown) if shown else None,
        data=_data(data, card),
    )
    atomic_write(path, page)


def _headline(part: Measured, previous: dict[str, float] | None) -> dict[str, Any]:
    """The two figures with their 95 % intervals, and by how much they moved since the last commit."""
    counts = _confusions(part)
    return {
        **part.score,
        "accuracy_interval": accuracy_interval(int(np.trace(counts)), len(part.images)),
        "macro_f1_interval": macro_f1_interval(counts, np.random.Generator(np.random.PCG64(BOOTSTRAP_SEED))),
        "missing": format_names(classes_without_images(part.score)),
        "fewest": min(filter(None, counts.sum(axis=1).tolist())),  # images of a class that occurs
        "change": {key: part.score[key] - previous[key] for key in ("accuracy", "macro_f1")} if previous else None,
    }


def _confusions(part: Measured) -> Int64[np.ndarray, "true predicted"]:
    return count_confusions(part.images.labels, part.logits.argmax(1).numpy(), part.logits.shape[1])


def _training(history: pd.DataFrame) -> dict[str, Any]:
    return {
        "epochs": len(history),
        "best_epoch": figures.best_epoch(history),
        "curves": {
            quantity: draw(quantity, figures.plot_curve, history, quantity) for quantity in ("loss", "accuracy", "lr")
        },
    }


def _by_class(part: Measured, classes: list[str]) -> dict[str, Any]:
    counts, names = _confusions(part), short_names(classes)
    f1 = [part.score["per_class"][name]["f1"] for name in classes]
    return {
        "f1": [draw(f"f1-{rows.start}", figures.plot_f1, names[rows], f1[rows]) for rows in _chart_rows(len(classes))],
        "confusion": draw("confusion", figures.plot_confusion, counts, names),
        "worst": worst_confusions(counts, classes),
    }


def _chart_rows(count: int) -> list[slice]:
    """The rows of bar charts of equal length that all have room on a page."""
    length = math.ceil(count / math.ceil(count / MAX_CLASSES_SIDE_BY_SIDE))
    return [slice(start, start + length) for start in range(0, count, length)]


def worst_confusions(
    counts: Int64[np.ndarray, "true predicted"], classes: list[str], most: int = 5
) -> list[dict[str, Any]]:
    """The most frequent mistakes, most frequent first: true class, predicted class, count, images of the true class."""
    wrong = counts * ~np.eye(len(classes), dtype=bool)
    cells = np.argsort(-wrong, axis=None, kind="stable")[:most]
    return [
        {"true": classes[row], "predicted": classes[column], "count": int(count), "of": int(counts[row].sum())}
        for row, column in zip(*np.unravel_index(cells, wrong.shape), strict=True)
        if (count := wrong[row, column])
    ]


def _pictures(part: Measured, trained: TrainedModel) -> dict[str, Any]:
    """A fair sample of predictions, the most confident mistakes, and where the network looked for some of both."""
    confidence, predicted = part.logits.double().softmax(1).max(1)
    labels = torch.from_numpy(part.images.labels)
    correct = predicted == labels

    def describe(row: int) -> dict[str, Any]:
        return {
            "image": to_uri(part.images.images[row]),
            "true": trained.classes[labels[row]],
            "predicted": trained.classes[predicted[row]],
            "confidence": confidence[row].item(),
            "correct": bool(correct[row]),
        }

    mistakes = most_confident(confidence, ~correct, MAX_MISTAKES)
    successes = [row for row in evenly_spaced(len(labels), 2 * MAX_LOOKS_OF_EACH_KIND) if correct[row]]
    looked_at = successes[:MAX_LOOKS_OF_EACH_KIND] + mistakes[:MAX_LOOKS_OF_EACH_KIND]
    images = torch.from_numpy(part.images.images[looked_at])
    heat = gradcam(trained.model, _pixels(images, trained), predicted[looked_at].to(_device(trained.model)))
    return {
        "sample": [describe(row) for row in evenly_spaced(len(labels), MAX_PREDICTIONS)],
        "mistakes": [describe(row) for row in mistakes],
        "num_mistakes": int((~correct).sum()),
        "looks": [
            describe(row) | {"overlay": overlay_uri(image, map_)}
            for row, image, map_ in zip(looked_at, images, heat, strict=True)
        ],
    }


def _inside(trained: TrainedModel, image: np.ndarray) -> dict[str, Any]:
    filters = first_filters(trained.model)
    maps = feature_maps(trained.model, _pixels(torch.from_numpy(image[None].copy()), trained))
    return {
        "filters": color_uris(filters, MAX_FILTERS),
        "num_filters": len(filters),
        "filter_side": filters.shape[-1],
        "image": to_uri(image),
        "maps": [{"tiles": grey_uris(each, MAX_MAPS), "count": len(each), "side": each.shape[-1]} for each in maps],
    }


def _calibration(part: Measured) -> dict[str, Any]:
    labels = torch.from_numpy(part.images.labels)
    temperature = fit_temperature(part.logits, labels)
    correct = part.logits.argmax(1) == labels
    before, after = (
        reliability_bins((part.logits.double() / t).softmax(1).amax(1), correct) for t in (1.0, temperature)
    )
    return {
        "figure": draw("reliability", figures.plot_reliability, before),
        "error": expected_calibration_error(before),
        "temperature": temperature,
        "error_after": expected_calibration_error(after),
    }


def _data(data: PreparedData, card: dict[str, Any]) -> dict[str, Any]:
    most = min(MAX_EXAMPLES_OF_CLASS, max(1, MAX_EXAMPLES // len(data.classes)))
    rows = rows_by_class(data.labelled.labels[data.train_rows], len(data.classes), most)
    return {
        "card": card,
        "counts": _class_counts(
            short_names(data.classes),
            list(card["train"]["per_class"].values()),
            list(card["validation"]["per_class"].values()),
        ),
        "examples": [
            (name, [to_uri(image) for image in data.labelled.images[data.train_rows[of_class]]])
            for name, of_class in zip(data.classes, rows, strict=True)
        ],
        "conflicts": [
            [
                {"image": to_uri(data.labelled.images[row]), "id": number, "label": label}
                for number, label in group.items()
                for row in np.flatnonzero(data.labelled.ids == int(number))
            ]
            for group in card["near_duplicates"]["different_labels"][:MAX_CONFLICTS]
        ],
    }


def _class_counts(names: Sequence[str], training: list[int], validation: list[int]) -> list[str]:
    most = max(map(sum, zip(training, validation, strict=True)))
    return [
        draw(
            f"counts-{rows.start}",
            figures.plot_class_counts,
            names[rows],
            {"training": training[rows], "validation": validation[rows]},
            most,
        )
        for rows in _chart_rows(len(names))
    ]


def _pixels(images: Tensor, trained: TrainedModel) -> Tensor:
    return normalize(images.to(_device(trained.model)), trained.mean, trained.std)


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
