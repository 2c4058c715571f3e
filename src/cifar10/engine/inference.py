"""Logits for many images, batch by batch, with test-time augmentation."""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from cifar10.core.config import Config, one_of
from cifar10.data.batches import normalize
from cifar10.data.dataset import release_pages
from cifar10.engine.runtime import Runtime

Images = UInt8[np.ndarray, "images 3 32 32"] | UInt8[Tensor, "images 3 32 32"]
Pixels = Float[Tensor, "batch 3 32 32"]
View = Callable[[Pixels], Pixels]


def _plain(pixels: Pixels) -> Pixels:
    return pixels


def _mirror(pixels: Pixels) -> Pixels:
    return pixels.flip(3)


def _shifted(down: int, right: int) -> View:
    """Everything a pixel down (-1: up) and a pixel to the right (-1: left); the border is reflected."""
    rows, columns = slice(1 - down, 33 - down), slice(1 - right, 33 - right)
    return lambda pixels: F.pad(pixels, [1] * 4, mode="reflect")[:, :, rows, columns]


def _with_mirrors(*views: tuple[float, View]) -> list[tuple[float, View]]:
    """Each view and its mirror image, which share its weight."""
    return [
        (weight / 2, both) for weight, view in views for both in (view, lambda pixels, view=view: _mirror(view(pixels)))
    ]


_CORNERS = [_shifted(-1, -1), _shifted(1, 1), _shifted(-1, 1), _shifted(1, -1)]

# name -> the views whose logits are averaged, with their weights; the first is the plain image. The six of `shift` and
# their weights are those of airbench (Jordan 2024, https://arxiv.org/abs/2404.00498); `corners` has the other two too.
TTA: dict[str, list[tuple[float, View]]] = {
    "none": [(1.0, _plain)],
    "flip": _with_mirrors((1.0, _plain)),
    "shift": _with_mirrors((0.5, _plain), *((0.25, shifted) for shifted in _CORNERS[:2])),
    "corners": _with_mirrors((1 / 3, _plain), *((1 / 6, shifted) for shifted in _CORNERS)),
}


# A processor is as quick with 128 images as with more, which take more memory. A GPU wants enough to do at once.
BATCH_SIZES = {"cpu": 128, "cuda": 2048, "mps": 512}


class PredictConfig(Config):
    """The section `predict`."""

    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] | None
    """Images in one forward pass. null: what the device is quick with."""
    tta: Annotated[str, one_of(TTA)]
    """Test-time augmentation: a key of TTA."""
    tta_below_confidence: Annotated[float, Field(gt=0, le=1)]
    """All views only for images whose plain view gives no class this probability. 1: for all images."""

    def images_per_pass(self, runtime: Runtime) -> int:
        """`batch_size`, resolved on this machine."""
        return self.batch_size or BATCH_SIZES[runtime.device.type]


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    images: Images,
    mean: list[float],
    std: list[float],
    config: PredictConfig,
    runtime: Runtime,
    description: str | None = None,
) -> Float[Tensor, "images classes"]:
    """Logits of a model in evaluation mode, float32 on the CPU, in the order of `images`.

    Images may be a memory-mapped array: one batch at a time goes to the device, and the logits come back together.
    Several processes share the images, and each gets all logits. `description` shows a progress bar with that name on
    a terminal.
    """
    # --- this process's images, all batches of one shape ---
    if not len(images):
        return torch.empty(0, 0)
    was_training = model.training
    model.eval()
    mine = runtime.world.share(torch.arange(len(images)))
    batch_size = config.images_per_pass(runtime)
    quiet = None if description and runtime.world.is_first else True

    def run(rows: Int64[Tensor, " rows"], views: list[tuple[float, View]]) -> Tensor:
        """Weighted sum of the logits over `views`."""
        # One table for all batches: small tensors that are kept one by one lie between the large ones that each batch
        # frees, and memory cannot be used again as a whole (1.3 GB more after 300,000 images).
        table, start = torch.empty(0), 0
        for batch in tqdm(rows.split(batch_size), desc=description, unit="batch", disable=quiet):
            # A short last batch is filled up: one shape for compiled code, and the same kernels for every image.
            padded = F.pad(batch, [0, min(batch_size, len(rows)) - len(batch)])
            pixels = normalize(_take(images, padded).to(runtime.device), mean, std)
            with runtime.autocast():
                logits = [
                    weight * model(view(pixels).contiguous(memory_format=runtime.memory_format)).float()
                    for weight, view in views
                ]
            summed = torch.stack(logits).sum(0)[: len(batch)]
            if not start:
                table = summed.new_empty(len(rows), summed.shape[1])
            table[start : start + len(batch)] = summed
            start += len(batch)
        return table

    # --- every image as it is, then the other views of those that it leaves unsure ---
    first, *others = TTA[config.tta]
    logits = run(mine, [(1.0, first[1])])
    if others:
        unsure = logits.softmax(1).amax(1) < config.tta_below_confidence if config.tta_below_confidence < 1 else None
        chosen = torch.arange(len(mine)) if unsure is None else unsure.nonzero()[:, 0].cpu()
        if len(chosen):
            logits[chosen] = first[0] * logits[chosen] + run(mine[chosen], others)

    # --- the images of all processes ---
    model.train(was_training)
    return runtime.world.gather(logits, len(images)).cpu()


def _take(images: Images, rows: Int64[Tensor, " rows"]) -> UInt8[Tensor, "rows 3 32 32"]:
    """Copies of some images, so that a memory-mapped array stays untouched; its pages are given back."""
    if isinstance(images, Tensor):
        return images[rows.to(images.device)]
    taken = torch.from_numpy(images[rows.numpy()])
    release_pages(images)
    return taken
