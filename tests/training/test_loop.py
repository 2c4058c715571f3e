import dataclasses
import math
import re
import shutil
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import CLASSES, tiny_image, train_config

from cifar10.core.config import InputError
from cifar10.data.batches import normalize
from cifar10.data.dataset import ImageSet, PreparedData, channel_statistics
from cifar10.engine.reproducibility import derive_seed, seed_globals
from cifar10.engine.runtime import Runtime
from cifar10.models import build_model
from cifar10.training.augment import augment
from cifar10.training.fit import fit, seconds_left
from cifar10.training.history import EpochResult, format_duration, summarize
from cifar10.training.loop import train_one_epoch
from cifar10.training.optim import Progress, learning_rate
from cifar10.training.trainer import Trainer


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def three_colors(count: int) -> PreparedData:
    """The tiny competition's images in larger number, the last quarter for validation."""
    labels = np.arange(count) % 3
    images = np.stack([tiny_image(number, label) for number, label in enumerate(labels.tolist())])
    labelled = ImageSet(images, labels, np.arange(count))
    train_rows, val_rows = np.split(np.arange(count), [3 * count // 4])
    statistics = channel_statistics(images, train_rows)
    return PreparedData(labelled, labelled.select(val_rows[:0]), train_rows, val_rows, list(CLASSES), *statistics)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_learns(seed):
    """Whatever the processor rounds: all of the images that it did not see were right with each of ten seeds."""
    data = three_colors(320)
    _, history = fit(data, train_config(model__name="cnn2", epochs=4, lr=0.005, batch_size=20, seed=seed))
    assert [result.epoch for result in history] == [1, 2, 3, 4]
    assert history[-1].train_loss < history[0].train_loss / 2
    assert history[-1].val_accuracy > 0.75
    assert all(result.seconds > 0 and result.images_per_second > 0 for result in history)


def test_the_same_seed_gives_the_same_bits(tiny_data: PreparedData):
    config = train_config(epochs=1)
    first, again, other = (fit(tiny_data, c) for c in (config, config, train_config(epochs=1, seed=1)))
    assert all((a == b).all() for a, b in zip(weights(first[0]), weights(again[0]), strict=True))
    assert first[1][0].val_loss == again[1][0].val_loss
    assert any((a != b).any() for a, b in zip(weights(first[0]), weights(other[0]), strict=True))


def test_it_equals_a_loop_written_by_hand(tiny_data: PreparedData):
    """The whole recipe once more in plain torch: order, augmentation, smoothing, schedule, momentum, sums."""
    config = train_config(
        epochs=2, loss__label_smoothing=0.1, augment__cutout_size_pixels=8, runtime__precision="float32"
    )
    model, history = fit(tiny_data, config)

    seed_globals(0)
    reference = build_model(config.model, 3).to(memory_format=torch.channels_last).train()
    decayed = [p for p in reference.parameters() if p.ndim > 1]
    others = [p for p in reference.parameters() if p.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0}],
        lr=1.0, momentum=0.9, nesterov=True,
    )  # fmt: skip
    images, labels = torch.from_numpy(tiny_data.train.images), torch.from_numpy(tiny_data.train.labels)
    steps = math.ceil(len(images) / 12)
    for epoch in range(2):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(derive_seed(0, epoch)))
        total, correct = 0.0, 0
        for batch, rows in enumerate(order.split(12)):
            generator = torch.Generator().manual_seed(derive_seed(0, epoch, batch))
            pixels = normalize(augment(images[rows], config.augment, generator), tiny_data.mean, tiny_data.std)
            logits = reference(pixels.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits, labels[rows], label_smoothing=0.1)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(
                    config.lr, Progress(epoch * steps + batch, 2 * steps, steps), config.schedule
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
            correct += int((logits.argmax(1) == labels[rows]).sum())
        assert history[epoch].train_loss == pytest.approx(total / len(images), rel=1e-6)
        assert history[epoch].train_accuracy == pytest.approx(correct / len(images))
    assert all((a == b).all() for a, b in zip(weights(model), weights(reference), strict=True))

    reference.eval()
    val = normalize(torch.from_numpy(tiny_data.val.images), tiny_data.mean, tiny_data.std)
    with torch.no_grad():
        logits = reference(val.contiguous(memory_format=torch.channels_last))
    val_labels = torch.from_numpy(tiny_data.val.labels)
    assert history[-1].val_loss == pytest.approx(F.cross_entropy(logits, val_labels).item(), rel=1e-6)
    assert history[-1].val_accuracy == pytest.approx((logits.argmax(1) == val_labels).float().mean().item())


def test_without_validation_images_there_are_no_validation_figures(tiny_data: PreparedData):
    everything = dataclasses.replace(tiny_data, val_rows=tiny_data.val_rows[:0])
    _, history = fit(everything, train_config(epochs=1))
    assert math.isnan(history[0].val_loss)
    assert set(summarize(history)) == {"last"}
    assert "val_loss" not in summarize(history)["last"]


def test_a_plateau_of_the_validation_loss_needs_validation_images(tiny_data: PreparedData):
    everything = dataclasses.replace(tiny_data, val_rows=tiny_data.val_rows[:0])
    with pytest.raises(InputError, match=r"schedule\.monitor: a plateau of val_loss needs validation images"):
        fit(everything, train_config(schedule__name="plateau"))


@pytest.mark.parametrize("monitor", ["train_loss", "val_loss"])
def test_a_plateau_goes_by_the_loss_that_it_monitors(tiny_data: PreparedData, monitor):
    config = train_config(
        model__name="lenet", epochs=6, lr=0.05,
        schedule__name="plateau", schedule__monitor=monitor, schedule__patience_epochs=0, schedule__gamma=0.5,
    )  # fmt: skip
    trainer = Trainer(tiny_data, config)
    losses = {"train_loss": [3.0, 2.0, 2.5, 1.0, 0.5], "val_loss": [1.0, 1.5, 1.4, 1.3, 1.2]}
    rates = []
    for train_loss, val_loss in zip(*losses.values(), strict=True):
        trainer.seconds = 1.0
        rates.append(trainer.end_epoch(train_loss, 0.5, val_loss, 0.5).lr)
    assert (
        rates
        == {"train_loss": [0.05, 0.05, 0.05, 0.025, 0.025], "val_loss": [0.05, 0.05, 0.025, 0.0125, 0.00625]}[monitor]
    )


def test_without_validation_images_a_plateau_can_go_by_the_training_loss(tiny_data: PreparedData):
    everything = dataclasses.replace(tiny_data, val_rows=tiny_data.val_rows[:0])
    config = train_config(model__name="lenet", epochs=2, schedule__name="plateau", schedule__monitor="train_loss")
    assert [result.lr for result in fit(everything, config)[1]] == [0.02, 0.02]


def test_one_epoch_of_one_cycle_shows_its_peak(tiny_data: PreparedData):
    """Five steps: the last rate is next to nothing, the highest is the recipe's at the end of the warm-up."""
    config = train_config(model__name="lenet", batch_size=8, schedule__warmup_fraction=0.4)
    (result,) = fit(tiny_data, config)[1]
    assert result.lr == pytest.approx(0.02 / 25e4)
    assert result.max_lr == pytest.approx(0.02)


def note_side(sides: list[int], _: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
    sides.append(inputs[0].shape[-1])


def test_the_first_epochs_see_small_images(tiny_data: PreparedData):
    """An epoch has 4 batches; two of five epochs are early: 0.4 of them, and 0.59 too."""
    for fraction in (0.4, 0.59):
        config = train_config(
            model__name="fastnet", epochs=5, augment__early_fraction=fraction, augment__early_size_pixels=20
        )
        trainer = Trainer(tiny_data, config)
        sides: list[int] = []
        trainer.model.register_forward_pre_hook(partial(note_side, sides))
        while trainer.epoch < 5:
            trainer.end_epoch(*train_one_epoch(trainer), math.nan, math.nan)
        assert sides == [20] * 8 + [32] * 12
        assert [config.size_pixels(epoch) for epoch in (1, 2)] == [20, 32]


def note_holes(holes: list[bool], _: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
    """Whether pixels of one channel differ."""
    holes.append(bool((inputs[0].amin((0, 2, 3)) < inputs[0].amax((0, 2, 3))).any()))


def test_cutout_begins_when_its_share_of_the_epochs_is_over(tiny_data: PreparedData):
    """White images, where all that is not white was cut out. An epoch has 4 batches; three of five go without."""
    white = dataclasses.replace(tiny_data.labelled, images=np.full_like(tiny_data.labelled.images, 255))
    for fraction in (0.6, 0.79):
        config = train_config(
            model__name="lenet",
            epochs=5,
            augment__crop_padding_pixels=0,
            augment__cutout_size_pixels=8,
            augment__cutout_start_fraction=fraction,
        )
        trainer = Trainer(dataclasses.replace(tiny_data, labelled=white), config)
        holes: list[bool] = []
        trainer.model.register_forward_pre_hook(partial(note_holes, holes))
        while trainer.epoch < 5:
            trainer.end_epoch(*train_one_epoch(trainer), math.nan, math.nan)
        assert holes == [False] * 12 + [True] * 8


def test_the_time_left_is_told_from_the_second_epoch_on(tiny_data: PreparedData, capsys):
    fit(tiny_data, train_config(model__name="lenet", epochs=4))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert [bool(re.search(r" img/s  done in \d+ s$", line)) for line in lines] == [False, True, True, False]


def test_the_time_left_goes_by_the_epochs_after_the_first():
    """The first took 100 s from wherever, the next two 30 s each: ten more take 300 s."""
    assert seconds_left([100.0], [1.0], [1.0] * 10) is None
    assert seconds_left([100.0, 130.0, 160.0], [1.0] * 3, [1.0] * 10) == 300
    assert seconds_left([100.0, 130.0], [1.0] * 12, []) is None


def test_the_time_left_knows_that_small_images_are_quick():
    """Half the work in 30 s: an epoch like it and one of full size take 90 s."""
    assert seconds_left([100.0, 130.0], [0.5, 0.5], [0.5, 1.0]) == 90


def test_times_are_written_for_people():
    assert [format_duration(seconds) for seconds in (9.4, 99.0, 100.0, 3569.0, 3570.0, 11_100.0)] == [
        "9 s", "99 s", "2 min", "59 min", "1 h 00 min", "3 h 05 min",
    ]  # fmt: skip


def test_bfloat16_trains_too(tiny_data: PreparedData):
    _, history = fit(tiny_data, train_config(epochs=1, runtime__precision="bfloat16"))
    assert math.isfinite(history[0].train_loss)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile builds its CPU kernels with g++")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Skipping serialization")  # torch 2.6
def test_compiled_training_follows_eager_training(tiny_data: PreparedData):
    """Batches of 12, 12, 12 and 2: full ones run compiled, the last one does not."""
    recipe = {"model__name": "lenet", "epochs": 2, "lr": 0.005, "runtime__precision": "float32"}
    histories = [fit(tiny_data, train_config(**recipe, runtime__compile=mode))[1] for mode in ("none", "default")]
    for eager, compiled in zip(*histories, strict=True):
        assert compiled.train_loss == pytest.approx(eager.train_loss, rel=1e-3)
        assert compiled.val_loss == pytest.approx(eager.val_loss, rel=1e-3)


def test_a_compiler_that_does_not_work_is_one_line():
    import torch._inductor.config as inductor  # here: it takes seconds, which the other tests do without

    torch.compiler.reset()
    with (
        inductor.patch({"cpp.cxx": ("false",), "fx_graph_cache": False}),
        pytest.raises(
            InputError, match=r"runtime\.compile: nothing can be compiled here \(InvalidCxx.*; install g\+\+"
        ),
    ):
        Runtime(train_config(runtime__compile="default").runtime).compiled(torch.nn.Identity())


@pytest.mark.filterwarnings("ignore:overflow")
def test_divergence_is_one_line(tiny_data: PreparedData):
    with pytest.raises(
        InputError,
        match=r"^training diverged in epoch 1 at step \d \(loss (nan|inf)\); lower lr in params.yaml \(now 1e",
    ):
        fit(tiny_data, train_config(epochs=1, lr=1e30, schedule__name="constant"))


def result(epoch: int, val_accuracy: float) -> EpochResult:
    return EpochResult(epoch, 0.1, 0.1, 1.0, 0.5, 0.9, val_accuracy, 1.0, 100.0)


def test_last_and_best_are_both_told_and_the_first_best_wins():
    summary = summarize([result(1, 0.5), result(2, 0.7), result(3, 0.7), result(4, 0.6)])
    assert summary["last"]["val_accuracy"] == 0.6
    assert summary["best"] == {"epoch": 2, "val_accuracy": 0.7}
