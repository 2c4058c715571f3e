"""Which networks predict which image, and what averaging gains, against tables written by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cifar10.core.config import InputError
from cifar10.data.dataset import ImageSet, PreparedData
from cifar10.evaluation.out_of_fold import member_figures, predict_images, predict_training, predict_validation
from cifar10.models.ensemble import join

LABELS = [0, 1, 0, 1]


class Table(nn.Module):
    """Gives the image with the pixels k, k, k... the probability of class 1 that stands in row k."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        self.probabilities = torch.tensor(probabilities)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        one = self.probabilities[pixels[:, 0, 0, 0].long()]
        return torch.stack([1 - one, one], dim=1).log()


def predict(network: nn.Module, part: ImageSet) -> torch.Tensor:
    return network(torch.from_numpy(part.images).float())


@pytest.fixture
def data() -> PreparedData:
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 32, 32), np.uint8)
    labelled = ImageSet(images, np.array(LABELS), np.arange(1, 5))
    rows = np.arange(4)
    return PreparedData(labelled, labelled, rows[:2], rows[2:], ["a", "b"], [0.5] * 3, [0.5] * 3)


def test_the_gain_of_three_over_one(data: PreparedData):
    """Alone 3/4, 3/4 and 2/4 are right, but each image is missed by one network only."""
    networks = [Table(0.6, 0.9, 0.1, 0.9), Table(0.1, 0.4, 0.1, 0.9), Table(0.1, 0.9, 0.9, 0.4)]
    predictions = predict_images(join(networks), data.labelled, predict)
    torch.testing.assert_close(predictions.logits.exp()[:, 1], torch.tensor([0.8, 2.2, 1.1, 2.2]) / 3)
    figures = member_figures(predictions)
    assert figures["member_accuracy"] == pytest.approx((0.75 + 0.75 + 0.5) / 3)
    assert figures["member_accuracy_sd"] == pytest.approx(0.25 / 3**0.5)
    assert figures["gain"] == pytest.approx(1 - 2 / 3)


def test_a_single_network_has_no_gain(data: PreparedData):
    predictions = predict_images(Table(0.1, 0.9, 0.1, 0.9), data.labelled, predict)
    assert member_figures(predictions) == {}


def test_without_folds_the_validation_part_is_predicted(data: PreparedData):
    predictions = predict_validation(join([Table(0, 0, 0.2, 0.6), Table(0, 0, 0.4, 0.8)]), data, predict)
    assert predictions.images.ids.tolist() == [3, 4]
    torch.testing.assert_close(predictions.logits.exp()[:, 1], torch.tensor([0.3, 0.7]))
    assert len(predictions.by_member) == 2


def test_each_image_is_predicted_by_the_networks_that_held_it_out(data: PreparedData):
    """Two folds, two seeds: the first two networks held rows 1 and 2 out, the others rows 0 and 3."""
    folds = replace(data, fold_of_row=np.array([1, 0, 0, 1]))
    first = [Table(0, 0.2, 0.4, 0), Table(0, 0.4, 0.8, 0)]
    second = [Table(0.1, 0, 0, 0.9), Table(0.3, 0, 0, 0.5)]
    predictions = predict_validation(join([*first, *second]), folds, predict)
    assert predictions.images.ids.tolist() == [1, 2, 3, 4]
    torch.testing.assert_close(predictions.logits.exp()[:, 1], torch.tensor([0.2, 0.3, 0.6, 0.7]))
    torch.testing.assert_close(predictions.by_member[0].exp()[:, 1], torch.tensor([0.1, 0.2, 0.4, 0.9]))
    torch.testing.assert_close(predictions.by_member[1].exp()[:, 1], torch.tensor([0.3, 0.4, 0.8, 0.5]))


def test_training_images_are_predicted_by_the_networks_that_learnt_from_them(data: PreparedData):
    """Without folds rows 0 and 1; with two folds, rows 0 and 3 by the first network and rows 1 and 2 by the second."""
    labels, predicted = predict_training(Table(0.1, 0.2, 0, 0), data, predict)
    assert labels.tolist() == [0, 1]
    assert predicted.tolist() == [0, 0]
    folds = replace(data, fold_of_row=np.array([1, 0, 0, 1]))
    labels, predicted = predict_training(join([Table(0.9, 0, 0, 0.8), Table(0, 0.7, 0.3, 0)]), folds, predict)
    assert labels.tolist() == [0, 1, 1, 0]
    assert predicted.tolist() == [1, 1, 1, 0]


def test_with_one_network_for_each_fold_there_is_nothing_to_average(data: PreparedData):
    folds = replace(data, fold_of_row=np.array([1, 0, 0, 1]))
    predictions = predict_validation(join([Table(0, 0.2, 0.4, 0), Table(0.1, 0, 0, 0.9)]), folds, predict)
    torch.testing.assert_close(predictions.logits.softmax(1)[:, 1], torch.tensor([0.1, 0.2, 0.4, 0.9]))
    assert member_figures(predictions) == {}


def test_a_model_of_other_folds_is_one_line(data: PreparedData):
    folds = replace(data, fold_of_row=np.array([1, 0, 0, 1]))
    with pytest.raises(InputError, match="a model of 3 networks for 2 folds; `dvc repro train` makes it anew"):
        predict_validation(join([Table(0.5)] * 3), folds, predict)
