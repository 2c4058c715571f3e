import pytest
import torch
from torch import nn

from cifar10.models import count_parameters
from cifar10.models.fastnet import GlobalMaxPool, Scale, Shortcut, Whitening, fastnet


def test_whitened_patches_are_uncorrelated_with_unit_variance():
    colors = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 0.5], [1.0, 0.0, 1.0]])
    noise = torch.randn(50, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    pixels = torch.einsum("ij,njhw->nihw", colors, noise)
    pixels[:, :, 1:] += pixels[:, :, :-1].clone()  # neighbours are alike, as in photographs
    stem = Whitening()
    stem.fit(pixels)
    maps = stem(pixels)
    values = maps[:, :12].transpose(0, 1).flatten(1)
    assert torch.allclose(values @ values.T / values.shape[1], torch.eye(12), atol=0.05)
    assert (maps[:, 12:] == -maps[:, :12]).all()


def test_a_flat_direction_is_not_blown_up():
    """Patches of one colour have no differences: what is divided there is bounded by the variance that is added."""
    stem = Whitening()
    stem.fit(torch.ones(4, 3, 8, 8))
    assert stem.weight.abs().max() <= 5e-4**-0.5


def test_the_stem_is_fixed_and_the_first_filters_pass_their_input_on():
    model = fastnet(num_classes=10)
    assert isinstance(model, nn.Sequential)
    assert not model[0].weight.requires_grad
    first = model[2]
    maps = torch.randn(1, 24, 9, 9)
    assert torch.allclose(first(maps)[:, :24], maps, atol=1e-5)


def test_images_of_other_sizes_pass():
    assert fastnet(num_classes=4).eval()(torch.zeros(2, 3, 20, 24)).shape == (2, 4)


def test_wider_groups_of_three_convolutions():
    """By hand: kernels of nine weights, a norm bias for each channel and convolution, and the classifier."""
    model = fastnet(num_classes=10, widths=[32, 48, 64], group_convolutions=3)
    kernels = 24 * 32 + 2 * 32 * 32 + 32 * 48 + 2 * 48 * 48 + 48 * 64 + 2 * 64 * 64
    assert count_parameters(model) == 9 * kernels + 3 * (32 + 48 + 64) + 10 * 64
    assert model.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_a_shortcut_adds_its_input():
    shortcut = Shortcut(nn.ReLU(), nn.Flatten(0), nn.Unflatten(0, (1, 1, 1, 3)))
    assert shortcut(torch.tensor([[[[-1.0, 0.0, 2.0]]]])).tolist() == [[[[-1.0, 0.0, 4.0]]]]
    inside = [module for module in fastnet(10, group_convolutions=3).modules() if isinstance(module, Shortcut)]
    assert [sum(isinstance(layer, nn.Conv2d) for layer in shortcut.layers) for shortcut in inside] == [2, 2, 2]


@pytest.mark.parametrize(
    ("last_width", "convolutions", "factor"), [(256, 2, 0.45), (512, 2, 0.225), (256, 3, 0.225), (512, 3, 0.1125)]
)
def test_the_more_and_the_larger_the_features_the_smaller_the_logits(last_width, convolutions, factor):
    model = fastnet(10, widths=[8, 8, last_width], group_convolutions=convolutions)
    (scale,) = (module for module in model.modules() if isinstance(module, Scale))
    assert scale.factor == pytest.approx(factor)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_maximum_is_the_same_where_kernels_have_to_be_deterministic(monkeypatch, dtype):
    """Values and gradients, with many equal values in a map: the first of them gets the gradient."""
    maps = torch.randint(4, (64, 8, 3, 3), generator=torch.Generator().manual_seed(0)).to(dtype)
    upstream = torch.randn(64, 8, 1, 1, generator=torch.Generator().manual_seed(1)).to(dtype)
    results = []
    for deterministic in (False, True):
        monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda on=deterministic: on)
        leaf = maps.clone().requires_grad_()
        largest = GlobalMaxPool()(leaf)
        largest.backward(upstream)
        results.append((largest, leaf.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert ("AdaptiveMaxPool" in str(results[0][0].grad_fn)) != ("AdaptiveMaxPool" in str(results[1][0].grad_fn))
