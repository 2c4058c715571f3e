"""Muon: momentum whose every step turns all directions of a kernel by the same amount."""

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
        """One update of all parameters that have a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                kernel = parameter.ndim == 4
                gradient = parameter.grad if kernel else parameter.grad + group["weight_decay"] * parameter
                update = self._nesterov(parameter, gradient, group["momentum"])
                if kernel:
                    parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
                    update = orthogonalize(update.reshape(len(update), -1)).reshape(update.shape)
                parameter.add_(update * -group["lr"])

    def _nesterov(self, parameter: Tensor, gradient: Tensor, momentum: float) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer = state["momentum_buffer"].mul_(momentum).add_(gradient)
        return gradient + momentum * buffer


def orthogonalize(matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    """The matrix with its singular vectors and nearly equal singular values (0.7 to 1.2), by matrix products alone.

    A Newton-Schulz iteration with the coefficients of the page above: they trade exactness for speed, and bear products
    in bfloat16, which autocast makes them.
    """
    a, b, c = COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    values = matrix if wide else matrix.T
    values = values / (values.norm() + 1e-7)
    for _ in range(ROUNDS):
        gram = values @ values.T
        values = a * values + (b * gram + c * gram @ gram) @ values
    return values if wide else values.T
