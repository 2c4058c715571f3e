"""Muon: momentum whose every step turns all directions of a kernel by the same amount."""

# torch's own optimizers are made of `torch._foreach_*`, operations on lists of tensors, which have no public name.
# pyright: reportPrivateImportUsage=false

from collections import defaultdict

import torch
from jaxtyping import Float
from torch import Tensor

# Five rounds of x -> a x + b x^3 + c x^5 take singular values between 0.01 and 1 to about 1 (0.7 to 1.2).
ROUNDS, COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum for convolution kernels, plain Nesterov momentum for all other parameters.

    Jordan 2024, https://kellerjordan.github.io/posts/muon/. A kernel is a matrix of one row for each filter, kept at
    the norm of an orthogonal one, so a step of `lr` turns it by about that angle whatever its size; weight decay would
    be undone there and is left out. (torch's own Muon takes matrices only.)
    """

    def __init__(self, groups: list[dict], lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update of all parameters that have a gradient.

        Lists of tensors and kernels of one shape go through each operation together: a GPU waits for the processor
        that starts its operations, and one by one they would be four fifths of all that a step of `fast` starts.
        """
        for group in self.param_groups:
            # --- gradients; kernels first, the others with weight decay ---
            kernels = [p for p in group["params"] if p.grad is not None and p.ndim == 4]
            others = [p for p in group["params"] if p.grad is not None and p.ndim != 4]
            gradients = [kernel.grad for kernel in kernels]
            if others:
                gradients += torch._foreach_add([p.grad for p in others], others, alpha=group["weight_decay"])
            if not gradients:
                continue

            # --- Nesterov momentum ---
            parameters = [*kernels, *others]
            buffers = [self._buffer(parameter) for parameter in parameters]
            torch._foreach_mul_(buffers, group["momentum"])
            torch._foreach_add_(buffers, gradients)
            updates = list(torch._foreach_add(gradients, buffers, alpha=group["momentum"]))

            # --- kernels ---
            for kernel in kernels:
                kernel.mul_(len(kernel) ** 0.5 / kernel.norm())
            updates[: len(kernels)] = _orthogonalize_kernels(updates[: len(kernels)])

            # --- update ---
            torch._foreach_add_(parameters, updates, alpha=-group["lr"])

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        return state["momentum_buffer"]


def _orthogonalize_kernels(kernels: list[Float[Tensor, "_ _ _ _"]]) -> list[Float[Tensor, "_ _ _ _"]]:
    """Each as a matrix of one row for each filter, orthogonalised; those of one shape at once."""
    places: dict[torch.Size, list[int]] = defaultdict(list)
    for place, kernel in enumerate(kernels):
        places[kernel.shape].append(place)
    result = list(kernels)
    for shape, same in places.items():
        matrices = orthogonalize(torch.stack([kernels[place] for place in same]).flatten(2)).float()
        for place, matrix in zip(same, matrices, strict=True):
            result[place] = matrix.view(shape)
    return result


def orthogonalize(matrices: Float[Tensor, "count rows columns"]) -> Float[Tensor, "count rows columns"]:
    """Each matrix with its singular vectors and nearly equal singular values (0.7 to 1.2), by matrix products alone.

    A Newton-Schulz iteration with the coefficients of the page above: they trade exactness for speed, and bear
    bfloat16, which autocast makes the products and, from the first one on, what they are made of.
    """
    a, b, c = COEFFICIENTS
    wide = matrices.shape[1] <= matrices.shape[2]
    values = matrices if wide else matrices.mT
    values = values / (torch.linalg.matrix_norm(values, keepdim=True) + 1e-7)
    for _ in range(ROUNDS):
        gram = values @ values.mT
        values = torch.baddbmm(values, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), values, beta=a)
    return values if wide else values.mT
