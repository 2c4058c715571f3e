"""A training's recipe, and its state: all that an interrupted one goes on from."""

import math
from dataclasses import asdict, replace
from typing import Annotated, Any

import torch
from pydantic import Field

from cifar10.core.config import PARAMS, Config, InputError
from cifar10.data.batches import BatchLoader, normalize
from cifar10.data.dataset import PreparedData
from cifar10.engine.reproducibility import derive_seed, seed_globals
from cifar10.engine.runtime import Runtime, RuntimeConfig
from cifar10.models import ModelConfig, build_model, fit_to_images, takes_any_size
from cifar10.training.augment import AugmentConfig
from cifar10.training.history import EpochResult
from cifar10.training.optim import OptimizerConfig, Progress, ScheduleConfig, build_optimizer, learning_rate

DIGITS_NETWORK, DIGITS_EPOCHS = "resnet18_improved", 4  # of params.yaml as it comes
SIZE_PIXELS = 32  # of an image as it is
STEM_IMAGES = 5_000  # from which a stem learns its filters: 4.8 million patches for 78 numbers


class LossConfig(Config):
    """The section `loss`: cross-entropy."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    """Share of the target that is spread over all classes. 0: off."""


class TrainConfig(Config):
    """Everything in params.yaml that a trained model depends on."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Initial weights, order of images and augmentation."""
    lr: Annotated[float, Field(gt=0)]
    """Peak learning rate of the schedule."""
    epochs: Annotated[int, Field(ge=1, le=1_000_000)]
    """Passes over the training images."""
    batch_size: Annotated[int, Field(ge=2, le=1_000_000)]
    """Images per optimizer step."""
    model: ModelConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    augment: AugmentConfig
    runtime: RuntimeConfig

    def augment_config(self, epoch: int) -> AugmentConfig:
        """The augmentation of an epoch, the first one is 0: without cutout before its time has come."""
        if epoch < int(self.augment.cutout_start_fraction * self.epochs):
            return self.augment.model_copy(update={"cutout_size_pixels": 0})
        return self.augment

    @property
    def early_epochs(self) -> int:
        """How many epochs, the first ones, see images of `augment.early_size_pixels`."""
        return int(self.augment.early_fraction * self.epochs)

    def size_pixels(self, epoch: int) -> int:
        """Side of the images that an epoch learns from; the first one is 0."""
        return self.augment.early_size_pixels if epoch < self.early_epochs else SIZE_PIXELS


def advice(config: TrainConfig, source: str) -> str:
    """A line for who trains on other images by the recipe of the embedded digits; empty for everyone else."""
    mirrored = config.augment.horizontal_flip or config.augment.alternating_flip
    changed = config.model.name != DIGITS_NETWORK or config.epochs > DIGITS_EPOCHS
    if source == "sample" or mirrored or changed:
        return ""
    return (
        f"{config.epochs} epochs without mirrored images are the digits' recipe; `cifar10 use fast` writes one for"
        " CIFAR-10 into params.yaml, `cifar10 use winner` a longer one"
    )


class Trainer:
    """A network with its images and its optimizer, on its device, and how far its training has come.

    With several processes, each works on its share of every batch: `batch_size` and `lr` mean the same as with one.
    Batch normalisation sees the share only, as usual with data-parallel training.
    """

    def __init__(self, data: PreparedData, config: TrainConfig) -> None:
        self.config = config
        self.runtime = Runtime(config.runtime)
        self.num_classes, self.mean, self.std = len(data.classes), data.mean, data.std

        # --- images ---
        world, device = self.runtime.world, self.runtime.device
        self.loader = BatchLoader(data.train, config.batch_size, device, world.size)
        self.val = data.val
        self.val_images = torch.from_numpy(self.val.images).to(device)

        # --- network and optimizer ---
        seed_globals(config.seed)
        self.model = self.runtime.to_device(build_model(config.model, self.num_classes))
        if config.model.pretrained is None:
            some = self.loader.images[:: -(-len(data.train_rows) // STEM_IMAGES)]
            fit_to_images(self.model, normalize(some, self.mean, self.std))
        if config.early_epochs and not takes_any_size(self.model):
            reason = f"{config.model.name} takes images of {SIZE_PIXELS}x{SIZE_PIXELS} pixels only"
            raise InputError(f"{PARAMS}: augment.early_fraction: {reason}; use 0, or fastnet or a residual network")
        self.optimizer = build_optimizer(self.model, config.lr, config.optimizer)
        self.ddp_model = self.runtime.parallel(self.model)  # gradients averaged over the processes
        self.compiled_model = self.runtime.compiled(self.ddp_model)

        # --- randomness: seeded anew for each step, so nothing of it is state ---
        self.generator = torch.Generator(device)
        coin = torch.Generator().manual_seed(derive_seed(config.seed))
        self.mirrored_first = torch.randint(2, (len(data.train_rows),), generator=coin).bool().to(device)

        # --- how far the training has come: what `state` holds ---
        self.epoch, self.batch = 0, 0  # epochs that are over, and batches of the present one
        self.sums = torch.zeros(self.loader.batches_per_epoch, 2, device=device)  # losses, correct answers by batch
        self.seconds = 0.0  # spent on the present epoch so far
        self.history: list[EpochResult] = []
        self.checked = 0  # batches of the present epoch whose losses are known to be finite

    @property
    def epoch_is_over(self) -> bool:
        """Whether all batches of the present epoch are done."""
        return self.batch == self.loader.batches_per_epoch

    @property
    def processes_agree(self) -> bool:
        """Whether all processes are certain to be at the same step: alone, or where an epoch ends or begins."""
        return self.runtime.world.size == 1 or self.epoch_is_over or self.batch == 0

    def progress(self) -> Progress:
        """What the schedule is told before the next step."""
        per_epoch, monitored = self.loader.batches_per_epoch, self.config.schedule.monitor
        losses = [getattr(result, monitored) for result in self.history]
        return Progress(self.epoch * per_epoch + self.batch, self.config.epochs * per_epoch, per_epoch, losses)

    def state(self) -> dict[str, Any]:
        """All that decides what the rest of the training does, as plain values and tensors."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "batch": self.batch,
            "sums": self.sums,
            "seconds": self.seconds,
            "history": [asdict(result) for result in self.history],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.batch, self.seconds = state["epoch"], state["batch"], state["seconds"]
        self.sums = state["sums"].to(self.runtime.device)
        self.history = [EpochResult(**values) for values in state["history"]]
        self.checked = self.batch

    def check_losses(self) -> None:
        """Look at the losses since the last check; all processes do so after the same step.

        Raises:
            InputError: one is not a finite number; names the step of the first.
        """
        if self.checked == self.batch:
            return
        losses = self.runtime.world.sum(self.sums[self.checked : self.batch, 0].clone()).tolist()
        for step, loss in enumerate(losses, self.checked + 1):
            if not math.isfinite(loss):
                where, lower = f"epoch {self.epoch + 1} at step {step:,}", f"lower lr in {PARAMS}"
                raise InputError(f"training diverged in {where} (loss {loss}); {lower} (now {self.config.lr})")
        self.checked = self.batch

    def is_finite(self) -> bool:
        """Whether all weights are numbers; one step can break them before any loss shows it."""
        return all(bool(value.isfinite().all()) for value in self.model.state_dict().values())

    def end_epoch(self, train_loss: float, train_accuracy: float, val_loss: float, val_accuracy: float) -> EpochResult:
        """Add the epoch to the history and begin the next one."""
        progress, per_epoch = self.progress(), self.loader.batches_per_epoch
        steps = range(self.epoch * per_epoch, (self.epoch + 1) * per_epoch)
        rates = [learning_rate(self.config.lr, replace(progress, step=step), self.config.schedule) for step in steps]
        result = EpochResult(
            epoch=self.epoch + 1,
            lr=rates[-1],
            max_lr=max(rates),
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=self.seconds,
            images_per_second=self.loader.images_per_epoch / self.seconds,
        )
        self.history.append(result)
        self.epoch, self.batch, self.checked, self.seconds = self.epoch + 1, 0, 0, 0.0
        self.sums = torch.zeros_like(self.sums)
        return result
