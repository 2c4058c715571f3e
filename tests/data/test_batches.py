import numpy as np
import pytest
import torch

from cifar10.data.batches import BatchLoader, normalize
from cifar10.data.dataset import ImageSet, PreparedData

CPU = torch.device("cpu")


def numbered(count: int) -> ImageSet:
    images = np.zeros((count, 3, 32, 32), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    return ImageSet(images, np.arange(count, dtype=np.int64), np.arange(count, dtype=np.int64))


@pytest.mark.parametrize(("count", "sizes"), [(12, [4, 4, 4]), (10, [4, 4, 2]), (3, [3]), (9, [4, 4])])
def test_an_epoch_shows_every_image_once_but_never_a_batch_of_one(count, sizes):
    loader = BatchLoader(numbered(count), 4, CPU)
    batches = list(loader.epoch(torch.Generator().manual_seed(0)))
    assert [len(labels) for _, labels in batches] == sizes
    assert loader.batches_per_epoch == len(sizes)
    assert loader.images_per_epoch == sum(sizes)
    seen = torch.cat([labels for _, labels in batches])
    assert len(seen.unique()) == sum(sizes)
    assert all((images[:, 0, 0, 0] == labels).all() for images, labels in batches)


def test_the_generator_decides_the_order():
    loader = BatchLoader(numbered(12), 12, CPU)
    orders = [next(iter(loader.epoch(torch.Generator().manual_seed(s))))[1].tolist() for s in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_the_images_whose_turn_it_is_are_mirrored():
    loader = BatchLoader(numbered(12), 5, CPU)
    mirrored = torch.arange(12) % 3 == 0
    for images, labels in loader.epoch(torch.Generator().manual_seed(0), 0, mirrored):
        plain = loader.images[labels]
        assert (images == torch.where(mirrored[labels][:, None, None, None], plain.flip(3), plain)).all()


def test_normalized_images_have_mean_0_and_deviation_1(tiny_data: PreparedData):
    images = normalize(torch.from_numpy(tiny_data.train.images), tiny_data.mean, tiny_data.std)
    assert images.dtype == torch.float32
    assert torch.allclose(images.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(images.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-4)


def test_a_channel_without_spread_becomes_zero():
    images = torch.full((1, 3, 32, 32), 51, dtype=torch.uint8)
    assert normalize(images, [0.2] * 3, [0.0] * 3).abs().max() < 0.1
