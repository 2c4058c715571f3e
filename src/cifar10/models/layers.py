"""What the families share: activations and initialisations by name."""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

# Each fills one weight of a convolution or linear layer in place.
INITIALIZERS: dict[str, Callable[[Tensor], Tensor]] = {
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "kaiming_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "kaiming_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
}
PYTORCH = "pytorch"  # what a layer does when it is made: weights and biases uniform within 1 / sqrt(fan in)


def initialize(model: nn.Module, name: str) -> None:
    """Draw every convolution and linear weight anew: by a key of INITIALIZERS, biases 0, or as PYTORCH does."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if name == PYTORCH:
                module.reset_parameters()
                continue
            INITIALIZERS[name](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Frame(nn.Module):
    """A frame of `pixels` around the image, which is then resized to what it was: torchvision's `Pad` and `Resize`.

    The frame is black where images are normalised with mean and deviation 0.5, as the study that does this has them.
    """

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        framed = F.pad(images, [self.pixels] * 4, value=-1.0)
        return F.interpolate(framed, images.shape[2:], mode="bilinear", antialias=True)
