"""Asking a trained model about pictures: files, folders, URLs."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from cifar10.app.columns import align
from cifar10.app.fetch_url import fetch
from cifar10.core.config import InputError, format_error
from cifar10.engine.inference import PredictConfig, predict_logits
from cifar10.engine.runtime import Runtime, RuntimeConfig
from cifar10.images.codec import FORMATS, decode_picture
from cifar10.models.checkpoint import TrainedModel

# Not what params.yaml says of a training elsewhere, but what suits any machine.
RUNTIME = RuntimeConfig(
    device="auto",
    precision="float32",
    channels_last=True,
    deterministic=False,
    compile="none",
    checkpoint_minutes=0.0,
    num_processes=1,
    tensorboard=False,
)
PREDICT = PredictConfig(batch_size=None, tta="none", tta_below_confidence=1.0)


@dataclass(frozen=True)
class Answer:
    """What a model says of one picture."""

    image: str  # path or URL
    top: list[tuple[str, float]]  # class and probability 0..1, the most probable first


def classify(
    sources: list[str], trained: TrainedModel, top: int, allow_private: bool, complain: Callable[[str], None]
) -> list[Answer]:
    """The `top` classes of each picture; a source that cannot be read goes to `complain` as one line.

    Args:
        sources: files, http(s) URLs, and folders, which stand for all pictures in and below them.
        trained: the model; nothing else is needed.
        top: how many classes, at most all.
        allow_private: whether URLs may lead to private addresses.
        complain: called with the line that names the source and what is wrong with it.
    """
    names: list[str] = []
    images: list[UInt8[np.ndarray, "3 32 32"]] = []
    for name in tqdm(_expand(sources, complain), desc="read", unit=" images", disable=None):
        try:
            data = fetch(name, allow_private) if _is_url(name) else Path(name).read_bytes()
            images.append(decode_picture(data, name))
            names.append(name)
        except (InputError, OSError) as error:
            complain(format_error(error))
    if not images:
        return []
    runtime = Runtime(RUNTIME)
    model = runtime.to_device(trained.model)
    logits = predict_logits(model, np.stack(images), trained.mean, trained.std, PREDICT, runtime, "classify")
    values, classes = logits.double().softmax(1).topk(min(top, len(trained.classes)))
    return [
        Answer(name, [(trained.classes[k], value) for k, value in zip(row, probabilities, strict=True)])
        for name, row, probabilities in zip(names, classes.tolist(), values.tolist(), strict=True)
    ]


def format_answers(answers: list[Answer]) -> str:
    """The table for people: a line for each picture."""
    return align([[answer.image, *(f"{name} {100 * value:.1f} %" for name, value in answer.top)] for answer in answers])


def _is_url(source: str) -> bool:
    return re.match(r"[a-z][a-z0-9+.-]*://", source, re.IGNORECASE) is not None


def _expand(sources: list[str], complain: Callable[[str], None]) -> Iterator[str]:
    """Folders replaced by their pictures, in the order of their names."""
    for source in sources:
        if _is_url(source) or not Path(source).is_dir():
            yield source
            continue
        found = sorted(path for path in Path(source).rglob("*") if path.suffix.lower() in FORMATS)
        if not found:
            complain(f"error: {source}: no pictures in this folder ({', '.join(FORMATS)})")
        yield from map(str, found)
