import pytest

from cifar10.app.summary import format_summary
from cifar10.models import MODELS, ModelConfig, build_model, count_parameters
from cifar10.models.summary import summarize_model


def summary_of(name: str, **options):
    nothing = dict.fromkeys(ModelConfig.model_fields)
    return summarize_model(build_model(ModelConfig.model_validate({**nothing, "name": name, **options}), 10))


def test_lenet_by_hand():
    summary = summary_of("lenet")
    # multiply-adds of both convolutions and the three linear layers, twice
    convolutions = [28 * 28 * 6 * 75, 10 * 10 * 16 * 150]
    linears = [400 * 120, 120 * 84, 84 * 10]
    assert summary.forward_flops == 2 * sum(convolutions + linears)
    # the backward pass repeats each twice, but for the gradient of the images, which nobody asks for
    assert summary.training_flops == 3 * summary.forward_flops - 2 * convolutions[0]
    assert summary.parameters == 62_006
    assert summary.weight_bytes == 4 * 62_006
    outputs = (
        [6 * 28 * 28] * 2 + [6 * 14 * 14] + [16 * 10 * 10] * 2 + [16 * 5 * 5] + [400] + [120] * 2 + [84] * 2 + [10]
    )
    assert summary.activation_bytes == 4 * sum(outputs)
    first = summary.layers[0]
    assert (first.kind, tuple(first.output_shape), first.parameters) == ("Conv2d", (6, 28, 28), 456)
    assert first.flops == 2 * convolutions[0]


def test_the_improved_resnet18_at_full_resolution():
    summary = summary_of("resnet18_improved", stem_max_pool=False)
    assert summary.forward_flops == pytest.approx(1.111e9, rel=1e-3)
    assert summary.training_flops == pytest.approx(3.329e9, rel=1e-3)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_layers_add_up(name):
    nothing = dict.fromkeys(ModelConfig.model_fields)
    model = build_model(ModelConfig.model_validate({**nothing, "name": name}), 10)
    summary = summarize_model(model)
    assert sum(layer.flops for layer in summary.layers) == summary.forward_flops
    assert summary.parameters == count_parameters(model)
    unique = {layer.name: layer.parameters for layer in summary.layers}
    assert sum(unique.values()) == summary.parameters
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_table_is_aligned_and_ends_with_the_sums():
    lines = format_summary(summary_of("lenet")).splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "parameters", "MFLOP"]
    assert lines[1].split() == ["0", "Conv2d", "6x28x28", "456", "0.7"]
    assert lines[0].index("kind") == lines[1].index("Conv2d")
    assert lines[-3] == "parameters   62,006"
