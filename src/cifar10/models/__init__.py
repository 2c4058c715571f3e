"""The zoo: networks by name. A new one is a function in its family's file and an entry in MODELS."""

import inspect
from collections.abc import Callable
from typing import Annotated

from torch import nn

from cifar10.config import PARAMS, Config, InputError, one_of
from cifar10.models import resnet

# Each takes `num_classes` and the options of `ModelConfig` that it understands.
MODELS: dict[str, Callable[..., nn.Module]] = {
    "resnet18": resnet.resnet18,
    "resnet18_improved": resnet.resnet18_improved,
}


class ModelConfig(Config):
    """The section `model`. An option that is null is left to the model."""

    name: Annotated[str, one_of(MODELS)]
    """A key of MODELS."""
    stem_max_pool: bool | None
    """Whether a 3x3 max-pool of stride 2 follows the stem."""


def build_model(config: ModelConfig, num_classes: int) -> nn.Module:
    """The network `config.name` with random weights from torch's global generator.

    Raises:
        InputError: an option is set that this model does not have.
    """
    build = MODELS[config.name]
    options = {key: value for key, value in config.model_dump(exclude={"name"}).items() if value is not None}
    for key in options.keys() - inspect.signature(build).parameters.keys():
        raise InputError(f"{PARAMS}: model.{key}: {config.name} has no such option; set it to null")
    return build(num_classes=num_classes, **options)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable weights."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
