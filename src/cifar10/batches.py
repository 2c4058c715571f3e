"""Batches of images on the device."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from cifar10.dataset import ImageSet


def normalize(
    images: UInt8[Tensor, "batch 3 32 32"], mean: list[float], std: list[float]
) -> Float[Tensor, "batch 3 32 32"]:
    """Pixels 0..255 -> float32 with the given channel mean and standard deviation taken out."""
    shift = torch.tensor(mean, device=images.device).view(1, 3, 1, 1)
    # A channel that never changes (std 0) carries nothing: leave it at zero instead of dividing by it.
    scale = torch.tensor(std, device=images.device).clamp(min=1e-6).view(1, 3, 1, 1)
    return (images.float() / 255 - shift) / scale


class BatchLoader:
    """Batches of images that live on the device as uint8 from the first to the last epoch.

    All of CIFAR-10 is 154 MB: one copy to the device replaces the worker processes of a DataLoader.
    """

    def __init__(self, data: ImageSet, batch_size: int, device: torch.device) -> None:
        self.images: UInt8[Tensor, "images 3 32 32"] = torch.from_numpy(np.ascontiguousarray(data.images)).to(device)
        self.labels: Int64[Tensor, " images"] = torch.from_numpy(data.labels).to(device)
        self.batch_size = batch_size
        # A last batch of one image has no variance for batch normalisation: such a single image sits the epoch out.
        self.images_per_epoch = len(data) - (len(data) % batch_size == 1)
        self.batches_per_epoch = -(-self.images_per_epoch // batch_size)

    def epoch(
        self, generator: torch.Generator
    ) -> Iterator[tuple[UInt8[Tensor, "batch 3 32 32"], Int64[Tensor, " batch"]]]:
        """One pass over all images in an order drawn from `generator` (on the CPU: the same order on any device)."""
        order = torch.randperm(len(self.images), generator=generator).to(self.images.device)
        for rows in order[: self.images_per_epoch].split(self.batch_size):
            yield self.images[rows], self.labels[rows]
