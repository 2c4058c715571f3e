"""Logits for many images, batch by batch, with test-time augmentation."""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, UInt8
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from cifar10.batches import normalize
from cifar10.config import Config, one_of
from cifar10.runtime import Runtime

# name -> the views of a batch whose logits are averaged
TTA: dict[str, Callable[[Tensor], list[Tensor]]] = {
    "none": lambda images: [images],
    "flip": lambda images: [images, images.flip(3)],
}


class PredictConfig(Config):
    """The section `predict`."""

    batch_size: Annotated[int, Field(ge=1)]
    """Images in one forward pass."""
    tta: Annotated[str, one_of(TTA)]
    """Test-time augmentation: a key of TTA."""


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    images: UInt8[np.ndarray, "images 3 32 32"] | UInt8[Tensor, "images 3 32 32"],
    mean: list[float],
    std: list[float],
    config: PredictConfig,
    runtime: Runtime,
    description: str | None = None,
) -> Float[Tensor, "images classes"]:
    """Logits of a model in evaluation mode, float32 on the CPU, in the order of `images`.

    Images may be a memory-mapped array: one batch at a time goes to the device. `description` shows a progress bar
    with that name on a terminal.
    """
    was_training = model.training
    model.eval()
    chunks: list[Tensor] = []
    starts = range(0, len(images), config.batch_size)
    for start in tqdm(starts, desc=description, unit="batch", disable=None if description else True):
        batch = images[start : start + config.batch_size]
        if isinstance(batch, np.ndarray):
            batch = torch.from_numpy(np.array(batch))  # a copy: a memory-mapped array is read-only
        pixels = normalize(batch.to(runtime.device), mean, std).contiguous(memory_format=runtime.memory_format)
        with runtime.autocast():
            views = [model(view).float() for view in TTA[config.tta](pixels)]
        chunks.append(torch.stack(views).mean(0).cpu())
    model.train(was_training)
    return torch.cat(chunks) if chunks else torch.empty(0, 0)
