"""A whole training: epoch after epoch, shown as it goes, its state saved against a crash."""

import time
from dataclasses import asdict

from torch import nn
from tqdm import tqdm

from cifar10.core.config import PARAMS, InputError
from cifar10.data.dataset import PreparedData
from cifar10.training.history import EpochResult, describe_epoch
from cifar10.training.interrupts import Interrupted, stop_request
from cifar10.training.loop import train_one_epoch, validate
from cifar10.training.resume import Checkpointer, ResumeStore
from cifar10.training.tensorboard import watch
from cifar10.training.trainer import TrainConfig, Trainer


def fit(
    data: PreparedData, config: TrainConfig, store: ResumeStore | None = None, member: str = ""
) -> tuple[nn.Module, list[EpochResult]]:
    """Train the network of `config` on `data.train`, with a look at `data.val` after each epoch.

    With a `store`, an interrupted training goes on where it stood, to the same bits. `member` names one network of
    several: its last state is saved too, for the training of another may be interrupted.

    Returns:
        The model as it is after the last epoch, on its device, and one result for each epoch.

    Raises:
        InputError: the loss stopped being a number, memory ran out, or the process was asked to stop.
    """
    # --- the state to go on from ---
    trainer = Trainer(data, config)
    if config.schedule.name == "plateau" and config.schedule.monitor == "val_loss" and not len(trainer.val):
        reason = "a plateau of val_loss needs validation images, and data.val_fraction is 0; use train_loss"
        raise InputError(f"{PARAMS}: schedule.monitor: {reason}")
    state = store.load() if store else None
    if state:
        trainer.load_state(state)

    # --- say what begins ---
    first, title = trainer.runtime.world.is_first, f"train: {member}" if member else "train"
    if trainer.epoch == config.epochs:
        if first:
            print(f"{title}: trained before", flush=True)
        return trainer.model, trainer.history
    if first:
        where = f", going on in epoch {trainer.epoch + 1} after step {trainer.batch:,}" if state else ""
        print(f"{title}: {config.model.name} on {len(data.train_rows):,} images, {trainer.runtime}{where}", flush=True)

    per_epoch = trainer.loader.batches_per_epoch
    done = trainer.epoch * per_epoch + trainer.batch
    with (
        trainer.runtime.explain_failures("batch_size", config.batch_size, smallest=2),
        stop_request() as stop,
        tqdm(
            total=config.epochs * per_epoch, initial=done, desc=title, unit="step", disable=None if first else True
        ) as bar,
        watch(
            first and config.runtime.tensorboard, config.model.name, trainer.model, data, trainer.runtime,
            [asdict(result) for result in trainer.history],
        ) as show_epoch,
    ):  # fmt: skip
        checkpointer = Checkpointer(trainer, store)
        ends: list[float] = []  # of this process's epochs, on the clock
        works = [float(config.size_pixels(epoch) ** 2) for epoch in range(config.epochs)]

        def after_step() -> None:
            bar.update()
            if stop.asked:
                raise Interrupted
            checkpointer.save_if_due()

        # --- the epochs ---
        while trainer.epoch < config.epochs:
            try:
                train_loss, train_accuracy = train_one_epoch(trainer, after_step)
                with stop.at_once():
                    val_loss, val_accuracy = validate(trainer)
            except Interrupted:
                checkpointer.save()
                where = f"epoch {trainer.epoch + 1} after step {trainer.batch:,}" + (f" of {member}" if member else "")
                raise InputError(f"interrupted in {where}; the next run goes on from its last kept state") from None
            result = trainer.end_epoch(train_loss, train_accuracy, val_loss, val_accuracy)
            ends.append(time.monotonic())
            if first:
                bar.set_postfix_str(f"loss {result.train_loss:.3f}, acc {result.train_accuracy:.3f}")
                left = seconds_left(ends, works[: trainer.epoch], works[trainer.epoch :])
                bar.write(describe_epoch(result, config.epochs, left))
                show_epoch(asdict(result))

        # --- a member stays until all others are trained ---
        if member:
            checkpointer.save()
            if stop.asked:
                raise InputError("interrupted between two members; the next run goes on there")
    return trainer.model, trainer.history


def seconds_left(ends: list[float], done: list[float], left: list[float]) -> float | None:
    """How long the epochs `left` will take, by when those before ended; None where it cannot be known or none is left.

    The first of them is only where the clock starts: it warms up, compiles, or is the rest of an interrupted one.

    Args:
        ends: when this process's epochs ended, in seconds.
        done: the work of all epochs that are over, in any unit; the last ones are those of `ends`.
        left: the work of those to come.
    """
    if len(ends) < 2 or not left:
        return None
    return sum(left) * (ends[-1] - ends[0]) / sum(done[1 - len(ends) :])
