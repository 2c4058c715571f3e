"""Whether a confidence can be believed: of all predictions made with 80 %, are 80 % correct?

After Guo et al. 2017, https://arxiv.org/abs/1706.04599.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

NUM_BINS = 15
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0


@dataclass(frozen=True)
class Bin:
    """The predictions whose confidence lies in one fifteenth of 0..1."""

    confidence: float  # their mean
    accuracy: float  # the share of them that is correct
    images: int  # above 0


def reliability_bins(
    confidence: Float[Tensor, " images"], correct: Bool[Tensor, " images"], num_bins: int = NUM_BINS
) -> list[Bin]:
    """Sort predictions into equal intervals of confidence, each open on its left; empty ones are left out."""
    inner_edges = torch.linspace(0, 1, num_bins + 1, dtype=confidence.dtype)[1:-1]
    numbers = torch.bucketize(confidence, inner_edges)
    groups = [numbers == k for k in range(num_bins)]
    return [
        Bin(confidence[group].mean().item(), correct[group].double().mean().item(), int(group.sum()))
        for group in groups
        if group.any()
    ]


def expected_calibration_error(bins: list[Bin]) -> float:
    """Mean distance between confidence and accuracy, each bin weighted by its images: 0 is perfect, 1 the worst."""
    total = sum(bin_.images for bin_ in bins)
    return sum(bin_.images * abs(bin_.confidence - bin_.accuracy) for bin_ in bins) / total


def fit_temperature(logits: Float[Tensor, "images classes"], labels: Int64[Tensor, " images"]) -> float:
    """The temperature T for which softmax(logits / T) has the least cross-entropy; above 1 the model was too sure.

    The cross-entropy is convex in 1 / T. Its derivative by 1 / T is the mean of E[z] - z_label over the images, and
    bisection finds its zero. Where every prediction is correct there is none, and `MIN_TEMPERATURE` is returned.
    """
    z = logits.double()
    target = z.gather(1, labels[:, None]).mean()
    low, high = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    for _ in range(60):
        inverse = (low + high) / 2
        slope = _expected(z, inverse) - target
        low, high = (low, inverse) if slope > 0 else (inverse, high)
    return 2 / (low + high)


def _expected(z: Float64[Tensor, "images classes"], inverse_temperature: float) -> Float64[Tensor, ""]:
    return ((z * inverse_temperature).softmax(1) * z).sum(1).mean()
