"""The zoo: networks by name. A new one is a function in its family's file and an entry in MODELS."""

import inspect
from collections.abc import Callable
from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from cifar10.core.config import PARAMS, Config, InputError, one_of
from cifar10.models import cnn, dainet, fastnet, lenet, resnet
from cifar10.models.layers import ACTIVATIONS, INITIALIZERS, PYTORCH, initialize
from cifar10.models.pretrained import load_pretrained

# Each takes `num_classes` and the options of `ModelConfig` that it understands.
MODELS: dict[str, Callable[..., nn.Module]] = {
    "lenet": lenet.lenet,
    "cnn2": cnn.cnn2,
    "cnn3": cnn.cnn3,
    "mynet": cnn.mynet,
    "dainet1": dainet.dainet1,
    "dainet7": dainet.dainet7,
    "fastnet": fastnet.fastnet,
    "resnet9": resnet.resnet9,
    "resnet18": resnet.resnet18,
    "resnet18_improved": resnet.resnet18_improved,
    "resnet18_torchvision": resnet.resnet18_torchvision,
    "resnet50": resnet.resnet50,
}


class ModelConfig(Config):
    """The section `model`. What is null is left to the model."""

    name: Annotated[str, one_of(MODELS)]
    """A key of MODELS."""
    stem_max_pool: bool | None
    """Residual networks: whether a 3x3 max-pool of stride 2 follows the stem."""
    activation: Annotated[str, one_of(ACTIVATIONS)] | None
    """Plain networks: a key of ACTIVATIONS."""
    frame_pixels: Annotated[int, Field(ge=1, le=16)] | None
    """cnn2, cnn3: width of a frame around the image, which is then resized to 32x32 again."""
    dropout_last: bool | None
    """dainet1: whether dropout follows the pool of the first group instead of its convolution."""
    widths: Annotated[list[Annotated[int, Field(ge=24, le=4096)]], Field(min_length=3, max_length=3)] | None
    """fastnet: channels of its three groups of convolutions."""
    group_convolutions: Literal[2, 3] | None
    """fastnet: convolutions in each group; the last two of three have a shortcut around them."""
    initialization: Annotated[str, one_of((*INITIALIZERS, PYTORCH))] | None
    """Any network: how its convolution and linear weights are drawn, a key of INITIALIZERS or `pytorch`."""
    pretrained: str | None
    """Any network: a torchvision weights enum (`ResNet18_Weights.IMAGENET1K_V1`), or a file of the same layout."""


def build_model(config: ModelConfig, num_classes: int) -> nn.Module:
    """The network `config.name` with weights from torch's global generator, or pretrained ones but for its classifier.

    Raises:
        InputError: an option is set that this model does not have, or the pretrained weights do not fit it.
    """
    build = MODELS[config.name]
    everyone = {"name", "initialization", "pretrained"}
    options = {key: value for key, value in config.model_dump(exclude=everyone).items() if value is not None}
    for key in options.keys() - inspect.signature(build).parameters.keys():
        raise InputError(f"{PARAMS}: model.{key}: {config.name} has no such option; set it to null")
    model = build(num_classes=num_classes, **options)
    if config.initialization:
        initialize(model, config.initialization)
    if config.pretrained:
        left_out = load_pretrained(model, config.pretrained)
        print(f"model: {config.pretrained}: all weights taken but {', '.join(left_out) or 'none'}", flush=True)
    return model


def fit_to_images(model: nn.Module, pixels: Float[Tensor, "images 3 h w"]) -> None:
    """Set what a network takes from training images (normalised) instead of learning it: a whitening stem."""
    for module in model.modules():
        if isinstance(module, fastnet.Whitening):
            module.fit(pixels)


def takes_any_size(model: nn.Module) -> bool:
    """Whether images need not be 32x32 pixels: what comes before the classifier is pooled to one value a channel."""
    return any(isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d) for module in model.modules())


def count_parameters(model: nn.Module) -> int:
    """Number of trainable weights."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
