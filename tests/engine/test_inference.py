import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, train_config
from torch import nn

from cifar10.data.batches import normalize
from cifar10.engine.inference import TTA, PredictConfig, predict_logits
from cifar10.engine.runtime import Runtime

RUNTIME = Runtime(train_config().runtime)
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
IMAGES = np.random.default_rng(0).integers(0, 256, (11, 3, 32, 32), dtype=np.uint8)


def predict(
    model: nn.Module,
    images: np.ndarray | torch.Tensor = IMAGES,
    batch_size: int = 4,
    tta: str = "none",
    below: float = 1.0,
) -> torch.Tensor:
    config = PredictConfig(batch_size=batch_size, tta=tta, tta_below_confidence=below)
    return predict_logits(model, images, MEAN, STD, config, RUNTIME)


@pytest.fixture
def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 5))


@pytest.mark.parametrize("batch_size", [1, 4, 11, 100])
def test_logits_come_in_the_order_of_the_images(linear, batch_size):
    with torch.no_grad():
        expected = linear(normalize(torch.from_numpy(IMAGES), MEAN, STD))
    torch.testing.assert_close(predict(linear, batch_size=batch_size), expected)


def test_flip_is_the_mean_over_the_image_and_its_mirror(linear):
    mirrored = np.ascontiguousarray(IMAGES[..., ::-1])
    expected = (predict(linear) + predict(linear, mirrored)) / 2
    torch.testing.assert_close(predict(linear, tta="flip"), expected)
    torch.testing.assert_close(predict(linear, mirrored, tta="flip"), expected)


@pytest.mark.parametrize("name", TTA)
def test_views_keep_the_shape_begin_with_the_image_and_weigh_one_together(name):
    pixels = torch.rand(2, 3, 32, 32)
    views = TTA[name]
    assert all(view(pixels).shape == pixels.shape for _, view in views)
    assert (views[0][1](pixels) == pixels).all()
    assert sum(weight for weight, _ in views) == pytest.approx(1)


PADDED = np.pad(IMAGES, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
UP_LEFT, DOWN_RIGHT = PADDED[:, :, 2:, 2:], PADDED[:, :, :-2, :-2]
UP_RIGHT, DOWN_LEFT = PADDED[:, :, 2:, :-2], PADDED[:, :, :-2, 2:]


@pytest.mark.parametrize(
    ("name", "shifted"),
    [("shift", [UP_LEFT, DOWN_RIGHT]), ("corners", [UP_LEFT, DOWN_RIGHT, UP_RIGHT, DOWN_LEFT])],
)
def test_shifts_are_averaged_with_their_mirrors_and_the_image_counts_twice(linear, name, shifted):
    weight = 1 / (2 + len(shifted))
    views = [(2 * weight, IMAGES), *((weight, images) for images in shifted)]
    expected = torch.stack(
        [weight * predict(linear, np.ascontiguousarray(images), tta="flip") for weight, images in views]
    ).sum(0)
    torch.testing.assert_close(predict(linear, tta=name), expected)


@pytest.mark.parametrize("batch_size", [2, 4, 100])
def test_only_unsure_images_get_all_views(linear, batch_size):
    plain, full = predict(linear), predict(linear, tta="shift")
    confidence = plain.softmax(1).amax(1)
    threshold = confidence.median().item()
    unsure = confidence < threshold
    assert 0 < unsure.sum() < len(IMAGES)
    selective = predict(linear, batch_size=batch_size, tta="shift", below=threshold)
    torch.testing.assert_close(selective[unsure], full[unsure])
    torch.testing.assert_close(selective[~unsure], plain[~unsure])
    torch.testing.assert_close(predict(linear, tta="shift", below=1e-6), plain)  # all are sure enough


def test_arrays_and_tensors_give_the_same(linear):
    assert (predict(linear) == predict(linear, torch.from_numpy(IMAGES))).all()


def test_layers_that_act_in_training_only_are_off_and_the_mode_comes_back():
    model = nn.Sequential(nn.Dropout(0.5), nn.Flatten(), nn.Linear(3072, 2)).train()
    assert (predict(model) == predict(model)).all()
    assert model.training


def test_no_images_give_no_logits(linear):
    assert len(predict(linear, IMAGES[:0])) == 0


GROWTH = """
import sys
import numpy as np
import psutil
from test_inference import predict
from torch import nn

images = np.load(sys.argv[1], mmap_mode="r")
model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AvgPool2d(30), nn.Flatten(), nn.Linear(16, 10))
predict(model, images[:2000], batch_size=128)
before = psutil.Process().memory_info().rss
predict(model, images, batch_size=128)
print(psutil.Process().memory_info().rss - before)
"""


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path):
    """Neither by pages of the mapped file (123 MB) nor by gaps that what is kept of each batch leaves."""
    folders = [str(ROOT / folder) for folder in ("src", "tests", "tests/engine")]
    np.lib.format.open_memmap(tmp_path / "images.npy", mode="w+", dtype=np.uint8, shape=(40_000, 3, 32, 32))
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, tmp_path / "images.npy"], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
    )  # fmt: skip
    assert int(done.stdout) < 60e6
