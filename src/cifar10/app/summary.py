"""`cifar10 summary`: the layers of a network as a table."""

from cifar10.app.columns import align
from cifar10.models.summary import Summary


def format_summary(summary: Summary) -> str:
    """A table of the layers and the sums below it, for a terminal."""
    header = ("layer", "kind", "output", "parameters", "MFLOP")
    rows = [
        (layer.name, layer.kind, "x".join(map(str, layer.output_shape)), f"{layer.parameters:,}", _mega(layer.flops))
        for layer in summary.layers
    ]
    return "\n".join(
        [
            align([header, *rows], right=(3, 4)),
            "",
            f"parameters   {summary.parameters:,}",
            f"arithmetic   {_mega(summary.forward_flops)} MFLOP forward, {_mega(summary.training_flops)} with backward,"
            " for one image; a multiply-add is two",
            f"memory       {summary.weight_bytes / 1e6:.1f} MB of weights, {summary.activation_bytes / 1e6:.2f} MB of"
            " layer outputs for one image, in float32",
        ]
    )


def _mega(flops: int) -> str:
    return f"{flops / 1e6:,.1f}" if flops else ""
