"""Asking a trained model about pictures: files, folders, URLs, standard input."""

import re
import sys
from collections import Counter
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


STANDARD_INPUT = "-"
MOST_KINDS = 4  # of files that are no pictures, that a line about a folder names


@dataclass(frozen=True)
class Answer:
    """What a model says of one picture."""

    image: str  # path or URL, or "-"
    top: list[tuple[str, float]]  # class and probability 0..1, the most probable first


def classify(
    sources: list[str],
    trained: TrainedModel,
    top: int,
    allow_private: bool,
    complain: Callable[[str], None],
    note: Callable[[str], None],
) -> list[Answer]:
    """The `top` classes of each picture; a source that cannot be read goes to `complain` as one line.

    Args:
        sources: files, http(s) URLs, folders, which stand for all pictures in and below them but hidden ones, and `-`.
        trained: the model; nothing else is needed.
        top: how many classes, at most all.
        allow_private: whether URLs may lead to private addresses.
        complain: called with the line that names the source and what is wrong with it.
        note: called with the line that says what was passed over in a folder.
    """
    names: list[str] = []
    images: list[UInt8[np.ndarray, "3 32 32"]] = []
    for name in tqdm(_expand(sources, complain, note), desc="read", unit=" images", disable=None):
        try:
            images.append(decode_picture(_read(name, allow_private), name))
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


def _read(source: str, allow_private: bool) -> bytes:
    if source == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    return fetch(source, allow_private) if _is_url(source) else Path(source).read_bytes()


def _expand(sources: list[str], complain: Callable[[str], None], note: Callable[[str], None]) -> Iterator[str]:
    """Folders replaced by their pictures, in the order of their names."""
    for source in sources:
        if _is_url(source) or source == STANDARD_INPUT or not Path(source).is_dir():
            yield source
            continue
        pictures: list[Path] = []
        passed_over: Counter[str] = Counter()
        for path in sorted(Path(source).rglob("*")):
            is_hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
            if is_hidden or (path.is_dir() and not path.is_symlink()):
                continue
            if path.is_dir():
                passed_over["linked folders"] += 1
            elif path.suffix.lower() in FORMATS:
                pictures.append(path)
            else:
                passed_over[path.suffix.lower() or "without ending"] += 1
        kinds = ", ".join(f"{kind} {count}" for kind, count in passed_over.most_common(MOST_KINDS))
        if not pictures:
            found = f", only {kinds}" if kinds else ""
            complain(f"error: {source}: no pictures in this folder{found}; they end in {', '.join(FORMATS)}")
        elif passed_over:
            note(f"note: {source}: {passed_over.total()} passed over ({kinds}); pictures end in {', '.join(FORMATS)}")
        yield from map(str, pictures)
