"""Weights that were trained elsewhere, as a start."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cifar10.core.config import PARAMS, InputError, expand_home

KEY = f"{PARAMS}: model.pretrained"


def load_pretrained(model: nn.Module, source: str) -> list[str]:
    """Copy the weights of `source` into `model`, all but the classifier, and return the keys that were left out.

    The classifier is the model's last linear layer: its classes are others.

    Args:
        model: changed in place.
        source: the name of a torchvision weights enum, or the path of a `.pth` or `.safetensors` file whose keys and
            shapes are the model's own. Taken too: the `state_dict` of a checkpoint, keys that data-parallel training
            put `module.` in front of, and files from before batch norm counted its batches.

    Raises:
        InputError: the source is not there, or has other weights than the model.
    """
    weights, own = _read(source), model.state_dict()
    for key in own.keys() - weights.keys():
        if key.endswith("num_batches_tracked"):  # PyTorch before 0.4.1 had none; load_state_dict does without, too
            weights[key] = own[key]
    classifier = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    left_out = sorted(key for key in weights if key.startswith(f"{classifier}."))
    needed = {key for key in own if not key.startswith(f"{classifier}.")}
    missing, unknown = sorted(needed - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or unknown:
        wrong = f"it lacks {missing[0]}" if missing else f"it has {unknown[0]}"
        raise InputError(f"{KEY}: {source} does not fit this network: {wrong}")
    for key in sorted(needed):
        if own[key].shape != weights[key].shape:
            raise InputError(f"{KEY}: {source}: {key} is {tuple(weights[key].shape)}, not {tuple(own[key].shape)}")
    model.load_state_dict({key: weights[key] for key in needed}, strict=False)
    return left_out


def _read(source: str) -> dict[str, Tensor]:
    """The state dict of a file or of a torchvision enum; weights only, so nothing in a file can run."""
    path = expand_home(source, "model.pretrained")
    try:
        if path.suffix in FILES:
            return _check_tensors(FILES[path.suffix](path))
        return _find_enum(source).get_state_dict(progress=True, check_hash=True)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{KEY}: {source} does not exist") from None
    except OSError as error:
        raise InputError(f"{KEY}: {source} could not be read ({error})") from None
    except Exception as error:  # torch and safetensors raise errors of their own for what they cannot parse
        raise InputError(f"{KEY}: {source} is not a file of weights ({type(error).__name__})") from None


def _check_tensors(content: Any) -> dict[str, Tensor]:
    """The weights in what a file holds, by the names that one process gives them."""
    weights = content["state_dict"] if isinstance(content, dict) and "state_dict" in content else content
    if not isinstance(weights, dict):
        raise TypeError
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in weights.items()):
        raise TypeError
    in_front = "module." if all(key.startswith("module.") for key in weights) else ""
    return {key.removeprefix(in_front): value for key, value in weights.items()}


def _find_enum(name: str) -> Any:
    from torchvision.models import get_weight  # a second to import, for the few who start from ImageNet

    try:
        return get_weight(name)
    except (ValueError, KeyError, AttributeError):
        wanted = f"a torchvision weights enum nor a {' or '.join(FILES)} file"
        raise InputError(f"{KEY}: {name!r} is neither {wanted}") from None


def _load_torch(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


FILES: dict[str, Callable[[Path], Any]] = {".pth": _load_torch, ".safetensors": load_file}
