import pytest
import torch
from torchvision.transforms.v2 import functional as TF

from cifar10.training import color

IMAGES = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IMAGES[0, :, :4] = 77  # grey pixels have no hue
FACTORS = torch.tensor([0.0, 0.6, 1.0, 1.4, 1.9, 0.1])


@pytest.mark.parametrize("name", ["adjust_brightness", "adjust_contrast", "adjust_saturation"])
def test_each_adjustment_equals_torchvisions(name):
    expected = [getattr(TF, name)(image, factor) for image, factor in zip(IMAGES, FACTORS.tolist(), strict=True)]
    out = getattr(color, name)(IMAGES, FACTORS)
    assert (out.int() - torch.stack(expected).int()).abs().max() <= 1
    assert (out == torch.stack(expected)).float().mean() > 0.99


def test_hue_equals_torchvisions():
    turns = torch.tensor([0.0, 0.5, -0.5, 0.1, -0.3, 0.01])
    expected = [TF.adjust_hue(image, turn) for image, turn in zip(IMAGES, turns.tolist(), strict=True)]
    out = color.adjust_hue(IMAGES, turns)
    assert (out.int() - torch.stack(expected).int()).abs().max() <= 2
    assert (out[0] == IMAGES[0]).all()


def test_grayscale_equals_torchvisions():
    assert (color.grayscale(IMAGES) == TF.rgb_to_grayscale(IMAGES, num_output_channels=3)).all()
