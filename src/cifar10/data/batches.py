"""Batches of images on the device."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from cifar10.data.dataset import ImageSet


def normalize(
    images: UInt8[Tensor, "batch 3 32 32"], mean: list[float], std: list[float]
) -> Float[Tensor, "batch 3 32 32"]:
    """Pixels 0..255 -> float32 with the given channel mean and standard deviation taken out."""
    shift, scale = _channel_constants((*mean,), (*std,), images.device)
    return (images.float() / 255 - shift) / scale


@cache
def _channel_constants(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[Float[Tensor, "1 3 1 1"], Float[Tensor, "1 3 1 1"]]:
    """Both on the device, put there once: a copy in every step would make a GPU wait for it."""
    # A channel that never changes (std 0) carries nothing: leave it at zero instead of dividing by it.
    return (
        torch.tensor(mean, device=device).view(1, 3, 1, 1),
        torch.tensor(std, device=device).clamp(min=1e-6).view(1, 3, 1, 1),
    )


class BatchLoader:
    """Batches of images that live on the device as uint8 from the first to the last epoch.

    All of CIFAR-10 is 154 MB: one copy to the device replaces the worker processes of a DataLoader.
    """

    def __init__(self, data: ImageSet, batch_size: int, device: torch.device, num_processes: int = 1) -> None:
        self.images: UInt8[Tensor, "images 3 32 32"] = torch.from_numpy(np.ascontiguousarray(data.images)).to(device)
        self.labels: Int64[Tensor, " images"] = torch.from_numpy(data.labels).to(device)
        self.batch_size = batch_size
        # One image has no variance for batch normalisation: a last batch that leaves a process with less than two
        # sits the epoch out.
        rest = len(data) % batch_size
        self.images_per_epoch = len(data) - (rest if rest < 2 * num_processes else 0)
        self.batches_per_epoch = -(-self.images_per_epoch // batch_size)

    def epoch(
        self, generator: torch.Generator, skip: int = 0, mirrored: Bool[Tensor, " images"] | None = None
    ) -> Iterator[tuple[UInt8[Tensor, "batch 3 32 32"], Int64[Tensor, " batch"]]]:
        """One pass over all images in an order drawn from `generator` (on the CPU: the same order on any device).

        The first `skip` batches are left out: they were seen before an interruption. Images for which `mirrored` is
        true come mirrored left to right.
        """
        order = torch.randperm(len(self.images), generator=generator).to(self.images.device)
        for rows in order[: self.images_per_epoch].split(self.batch_size)[skip:]:
            images = self.images[rows]
            if mirrored is not None:
                images = torch.where(mirrored[rows][:, None, None, None], images.flip(3), images)
            yield images, self.labels[rows]
