"""Several networks of one kind that answer as one."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Its probabilities are the mean of its members'; it returns their logarithms, which pass for logits."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.train(members[0].training)  # a new module would say that it is in training, whatever its members are in

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        log_probabilities = torch.stack([member(pixels).float().log_softmax(1) for member in self.members])
        return log_probabilities.logsumexp(0) - math.log(len(self.members))


def join(members: Sequence[nn.Module]) -> nn.Module:
    """Networks as one; a single one is itself."""
    return Ensemble(members) if len(members) > 1 else members[0]


def members_of(model: nn.Module) -> list[nn.Module]:
    """What `join` was given."""
    return list(model.members) if isinstance(model, Ensemble) else [model]
