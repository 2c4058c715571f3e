import pytest
import torch
from torchvision.transforms.v2 import functional as TF

from cifar10.training.augment import AUGMENTATIONS, AugmentConfig, augment, crop, cutout, flip

IMAGES = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
VALUES = {"crop_padding_pixels": 4, "horizontal_flip": True, "cutout_size_pixels": 8}
OFF = AugmentConfig(crop_padding_pixels=0, horizontal_flip=False, cutout_size_pixels=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_key_has_its_augmentation():
    assert list(AUGMENTATIONS) == list(AugmentConfig.model_fields) == list(VALUES)


@pytest.mark.parametrize("key", AUGMENTATIONS)
def test_every_augmentation_keeps_shape_and_dtype_and_the_original(key):
    before = IMAGES.clone()
    out = AUGMENTATIONS[key](IMAGES, VALUES[key], seeded())
    assert out.shape == IMAGES.shape
    assert out.dtype == torch.uint8
    assert (before == IMAGES).all()


@pytest.mark.parametrize("key", AUGMENTATIONS)
def test_every_augmentation_follows_its_generator(key):
    apply = AUGMENTATIONS[key]
    many = IMAGES.repeat(10, 1, 1, 1)
    assert (apply(many, VALUES[key], seeded(0)) == apply(many, VALUES[key], seeded(0))).all()
    assert (apply(many, VALUES[key], seeded(0)) != apply(many, VALUES[key], seeded(1))).any()


def test_nothing_on_is_nothing_done():
    assert augment(IMAGES, OFF, seeded()) is IMAGES


def test_augment_applies_its_dict_in_order():
    generator = seeded(3)
    expected = IMAGES
    for key, apply in AUGMENTATIONS.items():
        expected = apply(expected, VALUES[key], generator)
    assert (augment(IMAGES, AugmentConfig(**VALUES), seeded(3)) == expected).all()


def test_crop_equals_torchvisions():
    offsets = torch.tensor([[0, 0], [8, 8], [4, 4], [0, 8], [3, 5], [7, 1]])
    padded = TF.pad(IMAGES, [4])
    expected = torch.stack(
        [TF.crop(image, top, left, 32, 32) for image, (top, left) in zip(padded, offsets.tolist(), strict=True)]
    )
    out = crop(IMAGES, offsets, padding=4)
    assert (out == expected).all()
    assert (out[2] == IMAGES[2]).all()  # an offset of `padding` is no shift


def test_random_crop_reaches_every_offset():
    """One white pixel in the middle lands everywhere within 2 pixels, and nowhere else, about equally often."""
    images = torch.zeros((5000, 1, 9, 9), dtype=torch.uint8)
    images[:, :, 4, 4] = 1
    hits = AUGMENTATIONS["crop_padding_pixels"](images, 2, seeded()).sum((0, 1))
    assert hits.sum() == 5000
    assert (hits[2:7, 2:7] > 120).all()  # 200 expected, standard deviation 14


def test_flip_mirrors_the_chosen():
    out = flip(IMAGES, torch.tensor([True, False, True, False, False, True]))
    assert (out[0] == TF.horizontal_flip(IMAGES[0])).all()
    assert (out[1] == IMAGES[1]).all()


def test_random_flip_takes_about_half():
    images = torch.zeros((2000, 1, 1, 2), dtype=torch.uint8)
    images[..., 0] = 1
    mirrored = AUGMENTATIONS["horizontal_flip"](images, True, seeded())[..., 1].sum().item()
    assert 900 < mirrored < 1100  # 1000 expected, standard deviation 22


def test_cutout_blanks_exactly_its_square():
    images = torch.full((3, 1, 6, 6), 9, dtype=torch.uint8)
    out = cutout(images, torch.tensor([[3, 3], [0, 0], [5, 2]]), size=2)
    expected = torch.full((3, 1, 6, 6), 9, dtype=torch.uint8)
    expected[0, 0, 2:4, 2:4] = 0
    expected[1, 0, :1, :1] = 0  # cut off at the border
    expected[2, 0, 4:6, 1:3] = 0
    assert (out == expected).all()
