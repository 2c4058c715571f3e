import numpy as np
import pytest
from conftest import CLASSES, NUM_TEST, NUM_TRAIN, tiny_image

from cifar10.data.dataset import PreparedData, channel_statistics


def test_prepared_data_is_what_went_in(tiny_data: PreparedData):
    assert tiny_data.classes == sorted(CLASSES)
    assert tiny_data.labelled.ids.tolist() == list(range(1, NUM_TRAIN + 1))
    assert tiny_data.labelled.labels.tolist() == [i % 3 for i in range(1, NUM_TRAIN + 1)]
    assert tiny_data.test.labels.tolist() == [i % 3 for i in range(1, NUM_TEST + 1)]
    assert all((tiny_data.labelled.images[i - 1] == tiny_image(i, i % 3)).all() for i in range(1, NUM_TRAIN + 1))


def test_images_stay_on_disk(tiny_data: PreparedData):
    assert isinstance(tiny_data.labelled.images, np.memmap)
    assert isinstance(tiny_data.test.images, np.memmap)


def test_parts_are_the_rows_of_the_split(tiny_data: PreparedData):
    assert (tiny_data.train.ids == tiny_data.labelled.ids[tiny_data.train_rows]).all()
    assert (tiny_data.val.images == tiny_data.labelled.images[tiny_data.val_rows]).all()
    assert len(tiny_data.val) == 10  # a fifth of 48, rounded up


def test_channel_statistics_equal_numpys():
    images = np.random.default_rng(0).integers(0, 256, (5000, 3, 32, 32), dtype=np.uint8)
    rows = np.arange(0, 5000, 2)
    mean, std = channel_statistics(images, rows)
    np.testing.assert_allclose(mean, (images[rows] / 255).mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, (images[rows] / 255).std(axis=(0, 2, 3)), rtol=1e-12)


def test_channel_statistics_of_one_colour_have_no_spread():
    mean, std = channel_statistics(np.full((2, 3, 32, 32), 51, np.uint8), np.arange(2))
    assert mean == pytest.approx([0.2] * 3)
    assert std == pytest.approx([0.0] * 3, abs=1e-7)


def test_statistics_come_from_the_training_part(tiny_data: PreparedData):
    assert (tiny_data.mean, tiny_data.std) == channel_statistics(tiny_data.labelled.images, tiny_data.train_rows)
