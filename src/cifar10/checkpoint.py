"""A model file that carries all that prediction needs: weights, architecture, classes and preprocessing."""

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from cifar10.config import InputError
from cifar10.files import atomic_write
from cifar10.models import ModelConfig, build_model
from cifar10.models.ensemble import join, members_of

FORMAT = "cifar10 model 1"


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

    Keys: `format`, `model` (name and options), `classes`, `mean`, `std`, `provenance`, `state_dict`, for an ensemble
    `members` (how many), and `sha256` over the others, because torch.load does not notice flipped bits.

    `provenance` says which code, libraries, device and number of threads made the weights. All of these are inputs of
    the training: a file that told the commit would be another one in each clone with a history of its own, and after
    each commit that changes a comma of the README. The digest of the code leads to the commit (`lineage.commit_with`).
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
    content["sha256"] = _digest(content)
    buffer = io.BytesIO()  # given a path, torch.save writes the file's name into the file
    torch.save(content, buffer)
    atomic_write(path, buffer.getvalue())


def load_model(path: Path) -> TrainedModel:
    """Rebuild a network from its file, on the CPU, in evaluation mode.

    Raises:
        InputError: the file is missing, is not a model file of ours, or is damaged.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro train` makes it") from None
    except OSError:
        raise
    except Exception:  # torch raises RuntimeError, UnpicklingError, KeyError and others for what it cannot read
        raise InputError(f"{path}: not a readable model file; `dvc repro train` makes it anew") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: not a model file of this program (format {FORMAT!r})")
    try:
        if content.pop("sha256") != _digest(content):
            raise InputError(f"{path}: damaged (sha256 does not match); `dvc repro train` makes it anew")
        config = ModelConfig.model_validate(content["model"])
        model = join([build_model(config, len(content["classes"])) for _ in range(content.get("members", 1))])
        model.load_state_dict(content["state_dict"])
        provenance = content["provenance"]
    except (KeyError, TypeError, AttributeError, RuntimeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:80]
        raise InputError(f"{path}: made by another version of this program ({reason})") from None
    return TrainedModel(model.eval(), config, content["classes"], content["mean"], content["std"], provenance)


def _digest(content: dict[str, Any]) -> str:
    """sha256 over the plain values as JSON and over every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps({k: v for k, v in content.items() if k != "state_dict"}).encode())
    for name, value in content["state_dict"].items():
        assert isinstance(value, Tensor)
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
