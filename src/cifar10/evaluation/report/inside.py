"""What a network has learnt to see: the filters of its first convolution, the maps of its first two."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def first_filters(model: nn.Module) -> Float[Tensor, "filters 3 height width"]:
    """The weights of the first convolution, each filter stretched over 0..1: they weigh red, green and blue pixels."""
    convolution = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    return _stretch(convolution.weight.detach().float().cpu(), dims=(1, 2, 3))


@torch.inference_mode()
def feature_maps(model: nn.Module, pixels: Float[Tensor, "1 3 32 32"]) -> list[Float[Tensor, "maps _ _"]]:
    """What the first and the second convolution to run make of an image, each map stretched over 0..1.

    One list entry for each of the two. The model must be in evaluation mode.
    """
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
        outputs.append(output[0].float().cpu())

    hooks = [module.register_forward_hook(keep) for module in model.modules() if isinstance(module, nn.Conv2d)]
    try:
        model(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return [_stretch(output, dims=(1, 2)) for output in outputs[:2]]


def _stretch(values: Tensor, dims: tuple[int, ...]) -> Tensor:
    low, high = values.amin(dims, keepdim=True), values.amax(dims, keepdim=True)
    return (values - low) / (high - low).clamp(min=1e-12)
