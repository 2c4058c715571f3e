import pytest
import torch
from torch import nn

from cifar10.evaluation.report.gradcam import gradcam
from cifar10.evaluation.report.inside import feature_maps, first_filters
from cifar10.models import MODELS


def tiny_network() -> nn.Module:
    """Two maps, red and green; class 0 likes red and dislikes green twice as much, class 1 likes green."""
    convolution = nn.Conv2d(3, 2, 1, bias=False)
    head = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0]]).view(2, 3, 1, 1))
        head.weight.copy_(torch.tensor([[1.0, -2.0], [0.0, 1.0]]))
    return nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def test_by_hand():
    """The mean gradient of a map is its weight / 16, so the heat is relu(red - 2 green), then over its maximum."""
    image = torch.zeros(3, 4, 4)
    image[0, 0, 0], image[0, 1, 2], image[1, 1, 2], image[1, 3, 3] = 4, 3, 1, 5
    heat = gradcam(tiny_network(), torch.stack([image, image]), torch.tensor([0, 1]))
    first, second = torch.zeros(4, 4), torch.zeros(4, 4)
    first[0, 0], first[1, 2] = 4 / 4, (3 - 2 * 1) / 4
    second[1, 2], second[3, 3] = 1 / 5, 5 / 5
    assert torch.allclose(heat, torch.stack([first, second]))


def test_no_reason_at_all_is_no_heat():
    assert (gradcam(tiny_network(), torch.zeros(1, 3, 4, 4), torch.tensor([0])) == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_every_network_can_be_looked_into(name):
    torch.manual_seed(0)
    model = MODELS[name](num_classes=10).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    pixels = torch.randn(2, 3, 32, 32)
    heat = gradcam(model, pixels, model(pixels).argmax(1))  # for these something speaks
    assert heat.shape == (2, 32, 32)
    assert heat.amin() >= 0
    assert heat.amax() == pytest.approx(1)
    assert heat[0].std() > 0
    filters = first_filters(model)
    assert filters.shape[1] == 3
    assert (filters.amin((1, 2, 3)) == 0).all()
    assert (filters.amax((1, 2, 3)) == 1).all()
    maps = feature_maps(model, pixels[:1])
    assert len(maps) == 2
    assert len(maps[0]) == len(filters)
    assert all(len(module._forward_hooks) == 0 for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all((before[key] == value).all() for key, value in model.state_dict().items())


def test_feature_maps_are_what_the_convolutions_return():
    first, second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
    pixels = torch.randn(1, 3, 32, 32)
    maps = feature_maps(nn.Sequential(first, nn.ReLU(), second, nn.Conv2d(5, 6, 3)), pixels)
    with torch.no_grad():
        expected = second(first(pixels).relu())[0]
    low, high = expected.amin((1, 2), keepdim=True), expected.amax((1, 2), keepdim=True)
    assert [tuple(each.shape) for each in maps] == [(4, 30, 30), (5, 28, 28)]
    assert torch.allclose(maps[1], (expected - low) / (high - low))
