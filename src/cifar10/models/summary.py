"""What a network is made of: its layers, their output shapes, weights, arithmetic and memory."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cifar10.models import count_parameters

BYTES_PER_NUMBER = 4  # float32


@dataclass(frozen=True)
class Layer:
    """One call of a module that has no modules inside."""

    name: str  # as in `named_modules`
    kind: str  # its class
    output_shape: torch.Size  # without the batch
    parameters: int  # trainable weights of its own
    flops: int  # forward, for one image; a multiply-add is two


@dataclass(frozen=True)
class Summary:
    """All layers in the order of their calls, and the sums that a reader looks for."""

    layers: list[Layer]
    parameters: int
    forward_flops: int  # for one image
    training_flops: int  # forward and backward, for one image
    weight_bytes: int  # in float32
    activation_bytes: int  # outputs of all layers for one image, in float32: what a training step keeps, roughly


def summarize_model(model: nn.Module, size_pixels: int = 32) -> Summary:
    """Send one black image through the model and note what each layer does; counted by torch's own flop counter."""
    image = torch.zeros(1, 3, size_pixels, size_pixels, device=next(model.parameters()).device)
    model.eval()  # a single image has no variance for batch normalisation
    calls: list[tuple[str, nn.Module, torch.Size]] = []
    leaves = {module: name for name, module in model.named_modules() if not list(module.children())}
    idle = {module for module in leaves if isinstance(module, nn.Identity | nn.Sequential)}  # a shortcut that is none

    def note(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        calls.append((leaves[module], module, output.shape[1:]))

    hooks = [module.register_forward_hook(note) for module in leaves.keys() - idle]
    with FlopCounterMode(display=False) as forward:
        model(image)
    for hook in hooks:
        hook.remove()
    with FlopCounterMode(display=False) as both:
        model(image).sum().backward()
    model.zero_grad()

    flops = forward.get_flop_counts()
    root = type(model).__name__
    layers = [
        Layer(
            name, type(module).__name__, shape, count_parameters(module), sum(flops.get(f"{root}.{name}", {}).values())
        )
        for name, module, shape in calls
    ]
    return Summary(
        layers=layers,
        parameters=count_parameters(model),
        forward_flops=forward.get_total_flops(),
        training_flops=both.get_total_flops(),
        weight_bytes=BYTES_PER_NUMBER * sum(tensor.numel() for tensor in model.state_dict().values()),
        activation_bytes=BYTES_PER_NUMBER * sum(layer.output_shape.numel() for layer in layers),
    )
