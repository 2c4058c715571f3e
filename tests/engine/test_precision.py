"""What bfloat16 changes in a run and what it does not, on any processor: without native support it is only slow."""

import torch
from conftest import train_config
from torch import Tensor

from cifar10.data.dataset import PreparedData
from cifar10.engine.inference import PredictConfig, predict_logits
from cifar10.engine.runtime import Runtime
from cifar10.training.fit import fit
from cifar10.training.loop import train_one_epoch
from cifar10.training.trainer import Trainer

BFLOAT16 = train_config(model__name="cnn2", epochs=4, lr=0.005, runtime__precision="bfloat16")


def tensors(state: object) -> list[Tensor]:
    """All tensors in nested dicts and lists."""
    if isinstance(state, Tensor):
        return [state]
    values = state.values() if isinstance(state, dict) else state if isinstance(state, list) else []
    return [tensor for value in values for tensor in tensors(value)]


def test_weights_statistics_and_optimizer_state_stay_float32(tiny_data: PreparedData):
    trainer = Trainer(tiny_data, BFLOAT16)
    train_one_epoch(trainer)
    kinds = {tensor.dtype for tensor in tensors(trainer.state())}
    assert kinds == {torch.float32, torch.int64}  # the integers count batches


def test_a_rerun_gives_the_same_bits_and_float32_others(tiny_data: PreparedData):
    runs = [fit(tiny_data, config)[0] for config in (BFLOAT16, BFLOAT16, train_config(model__name="cnn2", epochs=4))]
    first, again, exact = ([value.clone() for value in model.state_dict().values()] for model in runs)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, exact, strict=True))


def test_predictions_are_those_of_float32_to_three_digits(tiny_data: PreparedData):
    """A product in bfloat16 keeps 8 bits of each factor, and sums in float32."""
    model, _ = fit(tiny_data, BFLOAT16)
    every = PredictConfig(batch_size=None, tta="shift", tta_below_confidence=1.0)
    exact, rounded = (
        predict_logits(model, tiny_data.test.images, tiny_data.mean, tiny_data.std, every, Runtime(config.runtime))
        for config in (train_config(), BFLOAT16)
    )
    assert rounded.dtype == torch.float32
    assert 0 < (exact.softmax(1) - rounded.softmax(1)).abs().max() < 0.03
