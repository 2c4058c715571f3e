"""The training loop: epoch after epoch, shown as it goes, kept against a crash."""

import time
from dataclasses import asdict

from torch import nn
from tqdm import tqdm

from cifar10.core.config import PARAMS, InputError, format_error
from cifar10.data.dataset import PreparedData
from cifar10.training.history import EpochResult, describe_epoch
from cifar10.training.interrupts import Interrupted, StopRequest, stop_request
from cifar10.training.resume import ResumeStore
from cifar10.training.tensorboard import watch
from cifar10.training.trainer import TrainConfig, Trainer


def fit(
    data: PreparedData, config: TrainConfig, store: ResumeStore | None = None, member: str = ""
) -> tuple[nn.Module, list[EpochResult]]:
    """Train the network of `config` on `data.train`, watching `data.val` after each epoch.

    With a `store`, a training that was broken off goes on where it stood, to the same bits. `member` names one network
    of several: its end is kept too, for the training of another may be broken off.

    Returns:
        The model as it is after the last epoch, on its device, and one result for each epoch.

    Raises:
        InputError: the loss stopped being a number, memory ran out, or the process was asked to stop.
    """
    trainer = Trainer(data, config)
    if config.schedule.name == "plateau" and not len(trainer.val):
        raise InputError(f"{PARAMS}: schedule.name: plateau watches validation images, and data.val_fraction is 0")
    first, per_epoch = trainer.runtime.world.is_first, trainer.loader.batches_per_epoch
    on = first and config.runtime.tensorboard
    state = store.load() if store else None
    if state:
        trainer.load_state(state)
    title = f"train: {member}" if member else "train"
    if trainer.epoch == config.epochs:
        if first:
            print(f"{title}: trained before", flush=True)
        return trainer.model, trainer.history
    if first:
        where = f", going on in epoch {trainer.epoch + 1} after step {trainer.batch:,}" if state else ""
        print(f"{title}: {config.model.name} on {len(data.train_rows):,} images, {trainer.runtime}{where}", flush=True)
    with (
        trainer.runtime.explain_out_of_memory("batch_size", config.batch_size, smallest=2),
        stop_request() as stop,
        tqdm(
            total=config.epochs * per_epoch, initial=trainer.epoch * per_epoch + trainer.batch,
            desc=title, unit="step", disable=None if first else True,
        ) as bar,
        watch(on, config.model.name, trainer.model, data, trainer.runtime) as show_epoch,
    ):  # fmt: skip
        keeper = Keeper(trainer, store, stop)

        def after_step() -> None:
            bar.update()
            keeper.after_step()

        while trainer.epoch < config.epochs:
            try:
                trainer.train_one_epoch(after_step)
                result = trainer.finish_epoch(stop)
            except Interrupted:
                keeper.keep()
                where = f"epoch {trainer.epoch + 1} after step {trainer.batch:,}{' of ' * bool(member)}{member}"
                raise InputError(f"interrupted in {where}; the next run goes on from its last kept state") from None
            if first:
                bar.set_postfix_str(f"loss {result.train_loss:.3f}, acc {result.train_accuracy:.3f}")
                bar.write(describe_epoch(result, config.epochs))
                show_epoch(asdict(result))
        if member:
            keeper.keep_end()
    return trainer.model, trainer.history


class Keeper:
    """Keeps the trainer's state every `runtime.checkpoint_minutes`, and when the process is asked to stop."""

    def __init__(self, trainer: Trainer, store: ResumeStore | None, stop: StopRequest) -> None:
        self.trainer, self.store, self.stop = trainer, store, stop
        self.seconds = 60 * trainer.config.runtime.checkpoint_minutes
        self.kept_at = time.monotonic()

    def after_step(self) -> None:
        """Between two steps: stop if asked to, else keep the state if it is time to."""
        if self.stop.asked:
            raise Interrupted
        if self.seconds and time.monotonic() - self.kept_at >= self.seconds:
            try:
                self.keep()
            except OSError as error:  # a full disk may have room again later
                self.kept_at = time.monotonic()
                tqdm.write(f"train: the state could not be kept; {format_error(error)}")

    def keep(self) -> None:
        """Write the state, from the first process, if all processes are at the same step and all weights are numbers.

        The first is certain only where an epoch ends.

        Raises:
            InputError: the training has diverged; what was kept before stays.
        """
        world = self.trainer.runtime.world
        if self.store and world.is_first and (world.size == 1 or self.trainer.epoch_is_over):
            self.trainer.check_losses()  # at the end of an epoch all processes have done so already
            if self.trainer.is_finite():
                self.store.save(self.trainer.state())
                self.kept_at = time.monotonic()

    def keep_end(self) -> None:
        """Write the state after the last epoch, where all processes stand alike; then stop if asked to."""
        if self.store and self.trainer.runtime.world.is_first:
            self.store.save(self.trainer.state())
        if self.stop.asked:
            raise InputError("interrupted between two members; the next run goes on there")
