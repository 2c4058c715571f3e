"""A model file that carries all that prediction needs: weights, architecture, classes and preprocessing."""

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, ValidationError
from torch import nn

from cifar10.core.config import Channels, Config, InputError, one_of
from cifar10.core.files import atomic_write
from cifar10.models import ModelConfig, build_model
from cifar10.models.ensemble import join, members_of

FORMAT = "cifar10 model 2"
_SEAL_CHARACTERS = 64  # a sha256 in hexadecimal
# Of `model`, which older files lack.
_NEW_OPTIONS = {"frame_pixels": None, "dropout_last": None, "widths": None, "group_convolutions": None}


@dataclass(frozen=True)
class TrainedModel:
    """A network in evaluation mode with what belongs to it."""

    model: nn.Module  # may be an ensemble of networks
    config: ModelConfig
    classes: list[str]
    mean: list[float]
    std: list[float]
    provenance: dict[str, Any] = field(default_factory=dict)  # where it was trained, as plain values: see `save_model`


def save_model(path: Path, trained: TrainedModel) -> None:
    """Write a model file that `torch.load(path, weights_only=True)` opens; equal weights give equal bytes.

    Keys: `format`, `model` (name and options), `classes`, `mean`, `std`, `provenance`, `state_dict`, and for an
    ensemble `members` (how many). The file ends with the sha256 of all before it (see `seal`), because torch.load does
    not notice flipped bits.

    `provenance` says which code, libraries, device and number of threads made the weights. All of these are inputs of
    the training: a file that told the commit would be another one in each clone with a history of its own, and after
    each commit that changes a comma of the README. The digest of the code leads to the commit (`origin.commit_with`).
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        # Which weights it started from no longer matters, and rebuilding it must not ask for them.
        "model": trained.config.model_copy(update={"pretrained": None}).model_dump(),
        "classes": trained.classes,
        "mean": trained.mean,
        "std": trained.std,
        "provenance": trained.provenance,
        "state_dict": {key: value.detach().cpu().contiguous() for key, value in trained.model.state_dict().items()},
    }
    if (members := len(members_of(trained.model))) > 1:
        content["members"] = members
    atomic_write(path, pack(content))


def load_model(path: Path) -> TrainedModel:
    """Rebuild a network from its file, on the CPU, in evaluation mode; nothing is unpacked before its sha256 is right.

    Raises:
        InputError: the file is missing, is not a model file of ours, or is damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro train` makes it") from None
    try:
        content = unpack(data)
    except DamagedError:
        reason = "damaged, or no model file of this program"
        raise InputError(f"{path}: {reason}; `dvc repro train` makes it anew") from None
    except Exception:  # torch raises RuntimeError, UnpicklingError, KeyError and others for what it cannot read
        raise InputError(f"{path}: not a readable model file; `dvc repro train` makes it anew") from None
    try:
        values = {key: content[key] for key in _Head.model_fields if key in content}
        head = _Head.model_validate({"members": 1, **values, "model": {**_NEW_OPTIONS, **content["model"]}})
        config = head.model.model_copy(update={"pretrained": None})  # a model file asks for no other file
        model = join([build_model(config, len(head.classes)) for _ in range(head.members)])
        model.load_state_dict(content["state_dict"])
    except (KeyError, TypeError, AttributeError, RuntimeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:80]
        raise InputError(f"{path}: made by another version of this program ({reason})") from None
    return TrainedModel(model.eval(), config, head.classes, head.mean, head.std, head.provenance)


class _Head(Config):
    """What a model file holds beside the weights."""

    format: Annotated[str, one_of((FORMAT,))]
    model: ModelConfig
    classes: Annotated[list[str], Field(min_length=2)]
    mean: Channels
    std: Channels
    provenance: dict[str, Any]
    members: Annotated[int, Field(ge=1, le=10_000)]  # as many as `ensemble` permits


def check_classes(trained: TrainedModel, classes: list[str], path: Path) -> None:
    """Raise InputError where a model file tells other classes apart than the data have."""
    if trained.classes != classes:
        theirs, ours = (", ".join(names)[:50] for names in (trained.classes, classes))
        raise InputError(f"{path}: of other classes ({theirs}) than the data ({ours}); `dvc repro train` makes it anew")


class DamagedError(ValueError):
    """The sha256 at the end is not that of what stands before it."""


def pack(content: Any) -> bytes:
    """Tensors and plain values as a file's bytes, which `torch.load(path, weights_only=True)` opens, with a seal."""
    buffer = io.BytesIO()  # given a path, torch.save writes the file's name into the file
    torch.save(content, buffer)
    return seal(buffer.getvalue())


def unpack(data: bytes) -> Any:
    """What `pack` was given, on the CPU; nothing is unpickled before its sha256 is right, and no code runs.

    Raises:
        DamagedError: the seal does not fit.
        Exception: of any kind, from torch, for sealed bytes that `pack` did not make.
    """
    if not is_sealed(data):
        raise DamagedError
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickles that are odd and then refused
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def seal(archive: bytes) -> bytes:
    """A zip archive with the sha256 of all that stands before it as its comment, which zip readers ignore."""
    assert archive.endswith(bytes(2)), "no comment yet"
    body = archive[:-2] + _SEAL_CHARACTERS.to_bytes(2, "little")
    return body + hashlib.sha256(body).hexdigest().encode()


def is_sealed(data: bytes) -> bool:
    """Whether the sha256 at the end is that of all before it."""
    body, digest = data[:-_SEAL_CHARACTERS], data[-_SEAL_CHARACTERS:]
    return hashlib.sha256(body).hexdigest().encode() == digest
