"""Where a network looks: gradient-weighted class activation maps.

After Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

MIN_SIDE = 4  # a map of fewer positions says nothing about where


def gradcam(
    model: nn.Module, pixels: Float[Tensor, "images 3 height width"], classes: Int64[Tensor, " images"]
) -> Float[Tensor, "images height width"]:
    """For each image, 0..1: how much each place speaks for the given class; all 0 where nothing does.

    The maps are those after the last layer that still sees at least 4x4 places: the last convolution of a plain
    network with what follows it, and an earlier stage of a residual one that shrinks 32x32 images to a point.
    The model must be in evaluation mode; its weights and their gradients stay as they are.
    """
    maps: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
        if output.ndim == 4 and min(output.shape[2:]) >= MIN_SIDE:
            maps[:] = [output]

    hooks = [module.register_forward_hook(keep) for module in model.modules() if module is not model]
    try:
        with torch.enable_grad():
            scores = model(pixels).gather(1, classes[:, None]).sum()
            (gradients,) = torch.autograd.grad(scores, maps[0])
    finally:
        for hook in hooks:
            hook.remove()
    weights = gradients.mean((2, 3), keepdim=True)
    heat = F.relu((weights * maps[0].detach()).sum(1, keepdim=True)).float()
    heat = F.interpolate(heat, pixels.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return heat / heat.amax((1, 2), keepdim=True).clamp(min=1e-12)
