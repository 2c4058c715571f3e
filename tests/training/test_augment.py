import pytest
import torch
from conftest import train_config
from pydantic import ValidationError
from torchvision.transforms.v2 import functional as TF

from cifar10.training.augment import AUGMENTATIONS, augment, crop, cutout, erase, flip, mix, rotate, shrink

IMAGES = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
VALUES = {
    "crop_padding_pixels": 4,
    "translate_pixels": 2,
    "horizontal_flip": True,
    "affine_degrees": 30.0,
    "color_jitter": [0.3, 0.3, 0.4, 0.4],
    "grayscale_probability": 0.5,
    "trivial_augment": True,
    "cutout_size_pixels": 8,
    "erasing_probability": 0.5,
}
OFF = train_config(augment__crop_padding_pixels=0).augment


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_key_has_its_augmentation():
    elsewhere = {
        "mixup_alpha",
        "cutmix_alpha",
        "alternating_flip",
        "early_fraction",
        "early_size_pixels",
        "cutout_start_fraction",
    }
    assert list(AUGMENTATIONS) == [key for key in type(OFF).model_fields if key not in elsewhere] == list(VALUES)


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
    assert (augment(IMAGES, OFF.model_copy(update=VALUES), seeded(3)) == expected).all()


def test_crop_equals_torchvisions():
    offsets = torch.tensor([[0, 0], [8, 8], [4, 4], [0, 8], [3, 5], [7, 1]])
    padded = TF.pad(IMAGES, [4])
    expected = torch.stack(
        [TF.crop(image, top, left, 32, 32) for image, (top, left) in zip(padded, offsets.tolist(), strict=True)]
    )
    out = crop(IMAGES, offsets, padding=4)
    assert (out == expected).all()
    assert (out[2] == IMAGES[2]).all()  # an offset of `padding` is no shift


def test_a_translation_reflects_the_border():
    offsets = torch.tensor([[0, 0], [4, 4], [2, 2], [0, 4], [3, 1], [4, 2]])
    padded = TF.pad(IMAGES, [2], padding_mode="reflect")
    expected = torch.stack(
        [TF.crop(image, top, left, 32, 32) for image, (top, left) in zip(padded, offsets.tolist(), strict=True)]
    )
    assert (crop(IMAGES, offsets, 2, "reflect") == expected).all()


def test_images_are_flipped_by_chance_or_in_turns():
    with pytest.raises(ValidationError, match="not both"):
        type(OFF).model_validate({**OFF.model_dump(), "horizontal_flip": True, "alternating_flip": True})


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


def test_erase_blanks_exactly_its_rectangle():
    images = torch.full((2, 1, 6, 6), 9, dtype=torch.uint8)
    out = erase(images, torch.tensor([[1, 2], [5, -1]]), torch.tensor([[2, 3], [9, 2]]))
    expected = images.clone()
    expected[0, 0, 1:3, 2:5] = 0
    expected[1, 0, 5:, :1] = 0  # cut off at the border
    assert (out == expected).all()


def test_random_erasing_takes_its_share_of_images_and_of_area():
    images = torch.ones((4000, 1, 32, 32), dtype=torch.uint8)
    erased = 1 - AUGMENTATIONS["erasing_probability"](images, 0.25, seeded()).float().mean((1, 2, 3))
    touched = erased > 0
    assert 900 < touched.sum() < 1100  # 1000 expected, standard deviation 27
    assert erased[touched].min() > 0.01
    assert erased.max() < 0.36
    assert 0.15 < erased[touched].mean() < 0.2  # 0.175 on average


def test_rotate_equals_torchvisions():
    degrees = [0.0, 90.0, -30.0, 12.5, 180.0, 5.0]
    expected = [
        TF.rotate(image, angle, interpolation=TF.InterpolationMode.BILINEAR)
        for image, angle in zip(IMAGES, degrees, strict=True)
    ]
    out = rotate(IMAGES, torch.tensor(degrees))
    assert (out.int() - torch.stack(expected).int()).abs().max() <= 1


PIXELS, LABELS = IMAGES.float(), torch.tensor([0, 1, 2, 0, 1, 2])


def test_mix_does_nothing_where_it_is_off():
    images, labels = mix(PIXELS, LABELS, OFF, 3, seeded())
    assert images is PIXELS
    assert labels is LABELS


def test_mixup_blends_images_and_labels_by_the_same_share():
    images, targets = mix(PIXELS, LABELS, OFF.model_copy(update={"mixup_alpha": 1.0}), 3, seeded())
    partner = LABELS.roll(1)
    share = targets[0, LABELS[0]]
    assert 0 < share < 1
    torch.testing.assert_close(images, share * PIXELS + (1 - share) * PIXELS.roll(1, 0))
    one_hot = torch.nn.functional.one_hot
    torch.testing.assert_close(targets, share * one_hot(LABELS, 3) + (1 - share) * one_hot(partner, 3))


def test_cutmix_shares_the_label_by_the_area_that_stays():
    images, targets = mix(PIXELS, LABELS, OFF.model_copy(update={"cutmix_alpha": 1.0}), 3, seeded(2))
    kept = (images == PIXELS).all(1)
    pasted = (images == PIXELS.roll(1, 0)).all(1)
    assert (kept | pasted).all()
    assert 0 < pasted.float().mean() < 1
    torch.testing.assert_close(targets[0, LABELS[0]], kept[0].float().mean(), atol=1e-3, rtol=0)


def test_mixing_follows_its_generator_and_leaves_the_global_one_alone():
    config = OFF.model_copy(update={"mixup_alpha": 1.0, "cutmix_alpha": 1.0})
    before = torch.get_rng_state()
    first, again, other = (mix(PIXELS, LABELS, config, 3, seeded(seed))[0] for seed in (0, 0, 1))
    assert (torch.get_rng_state() == before).all()
    assert (first == again).all()
    assert (first != other).any()
    kinds = {bool((mix(PIXELS, LABELS, config, 3, seeded(seed))[0] % 1 == 0).all()) for seed in range(20)}
    assert kinds == {True, False}  # pasted pixels stay whole numbers, blended ones do not


def test_shrunk_images_are_means_of_their_pixels():
    """Halved: each pixel the mean of the 4x4 around it, weighted 1, 3, 3, 1 each way, the border cut off."""
    image = torch.zeros(1, 1, 32, 32)
    image[0, 0, 8, 8] = 64.0
    small = shrink(image, 16)[0, 0]
    assert small.shape == (16, 16)
    assert torch.allclose(small[3:6, 3:6], torch.tensor([[1.0, 3.0, 0.0], [3.0, 9.0, 0.0], [0.0, 0.0, 0.0]]))
    assert shrink(torch.full((2, 3, 32, 32), 5.0), 24).unique().tolist() == pytest.approx([5.0])
    assert shrink(image, 32) is image
