import base64

import numpy as np
import torch

from cifar10.evaluation.report.pictures import evenly_spaced, most_confident, overlay_uri, rows_by_class, to_uri
from cifar10.images.codec import decode_image


def pixels_of(uri: str) -> np.ndarray:
    return decode_image(base64.b64decode(uri.removeprefix("data:image/png;base64,")), "x.png")


def test_an_image_travels_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    assert (pixels_of(to_uri(image)) == image).all()


def test_an_overlay_is_dark_without_heat_and_glows_with_it():
    image = torch.full((3, 32, 32), 100, dtype=torch.uint8)
    cold, hot = (overlay_uri(image, torch.full((32, 32), heat)) for heat in (0.0, 1.0))
    assert cold == to_uri(np.full((3, 128, 128), 30, dtype=np.uint8))
    orange = np.array([177, 120, 50], dtype=np.uint8)[:, None, None]  # half of the image, half of (255, 140, 0)
    assert hot == to_uri(np.broadcast_to(orange, (3, 128, 128)))


def test_a_sample_is_spread_evenly():
    assert evenly_spaced(100, 4) == [0, 25, 50, 75]
    assert evenly_spaced(3, 4) == [0, 1, 2]
    assert evenly_spaced(0, 4) == []


def test_the_most_confident_come_first():
    confidence = torch.tensor([0.5, 0.9, 0.7, 0.9, 0.8])
    chosen = torch.tensor([True, True, False, True, True])
    assert most_confident(confidence, chosen, 3) == [1, 3, 4]
    assert most_confident(confidence, ~chosen, 3) == [2]


def test_rows_of_each_class():
    rows = rows_by_class(np.array([1, 0, 1, 1, 2]), 3, most=2)
    assert [each.tolist() for each in rows] == [[1], [0, 2], [4]]
