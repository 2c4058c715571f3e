"""One network in training: its steps, its epochs, and the state that a broken-off training goes on from."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from pydantic import Field
from torch import Tensor

from cifar10.core.config import PARAMS, Config, InputError
from cifar10.data.batches import BatchLoader, normalize
from cifar10.data.dataset import PreparedData
from cifar10.engine.inference import PredictConfig, predict_logits
from cifar10.engine.reproducibility import derive_seed, seed_globals
from cifar10.engine.runtime import Runtime, RuntimeConfig
from cifar10.models import ModelConfig, build_model, fit_to_images
from cifar10.training.augment import AugmentConfig, augment, mix
from cifar10.training.history import EpochResult
from cifar10.training.interrupts import StopRequest
from cifar10.training.optim import (
    OptimizerConfig,
    Progress,
    ScheduleConfig,
    build_optimizer,
    learning_rate,
    set_learning_rate,
)

STEM_IMAGES = 5_000  # that a stem is fitted to: 4.8 million patches for 78 numbers

# Steps after which the losses are looked at. A GPU has to come to rest for that, a processor has not.
STEPS_BETWEEN_LOOKS = {"cpu": 1, "cuda": 100, "mps": 100}


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


class Trainer:
    """A network with its images and its optimizer, on its device.

    With several processes, each works on its share of every batch: `batch_size` and `lr` mean the same as with one.
    Batch normalisation sees the share only, as usual with data-parallel training.
    """

    def __init__(self, data: PreparedData, config: TrainConfig) -> None:
        self.config = config
        self.runtime = Runtime(config.runtime)
        self.num_classes, self.mean, self.std = len(data.classes), data.mean, data.std
        seed_globals(config.seed)
        self.model = self.runtime.to_device(build_model(config.model, self.num_classes))
        world, device = self.runtime.world, self.runtime.device
        self.loader = BatchLoader(data.train, config.batch_size, device, world.size)
        if config.model.pretrained is None:
            spread = self.loader.images[:: -(-len(data.train_rows) // STEM_IMAGES)]
            fit_to_images(self.model, normalize(spread, self.mean, self.std))
        self.optimizer = build_optimizer(self.model, config.lr, config.optimizer)
        self.network = self.runtime.parallel(self.model)  # gradients averaged over the processes
        self.compiled = self.runtime.compiled(self.network)
        self.val = data.val
        self.val_images = torch.from_numpy(self.val.images).to(device)
        self.draws = torch.Generator(device)
        first_turn = torch.Generator().manual_seed(derive_seed(config.seed))
        self.mirrored_first = torch.randint(2, (len(data.train_rows),), generator=first_turn).bool().to(device)

        # Where the training stands: what `state` holds.
        self.epoch, self.batch = 0, 0  # epochs that are over, and batches of the present one
        self.sums = torch.zeros(self.loader.batches_per_epoch, 2, device=device)  # losses and hits of its batches
        self.seconds = 0.0  # that its training took so far
        self.history: list[EpochResult] = []
        self.looked_at = 0  # batches of the present epoch whose losses are known to be finite

    @property
    def epoch_is_over(self) -> bool:
        """Whether all batches of the present epoch are done."""
        return self.batch == self.loader.batches_per_epoch

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
        self.looked_at = self.batch

    def train_one_epoch(self, after_step: Callable[[], None]) -> None:
        """The rest of the pass over the training images; losses and hits stay on the device.

        Between two steps `state` may be taken, and `after_step` may raise.

        Raises:
            InputError: a loss is not a finite number.
        """
        config, per_epoch = self.config, self.loader.batches_per_epoch
        self.network.train()
        order = torch.Generator().manual_seed(derive_seed(config.seed, self.epoch))
        val_losses = [result.val_loss for result in self.history]
        started = time.perf_counter() - self.seconds
        between_looks = STEPS_BETWEEN_LOOKS[self.runtime.device.type]
        mirrored = self.mirrored_first ^ (self.epoch % 2 == 1) if config.augment.alternating_flip else None
        for images, labels in self.loader.epoch(order, self.batch, mirrored):
            progress = Progress(self.epoch * per_epoch + self.batch, config.epochs * per_epoch, per_epoch, val_losses)
            lr = learning_rate(config.lr, progress, config.schedule)
            self.sums[self.batch] = self.step(images, labels, lr, derive_seed(config.seed, self.epoch, self.batch))
            self.batch += 1
            if self.batch % between_looks == 0 or self.epoch_is_over:
                self.check_losses()
            self.seconds = time.perf_counter() - started
            after_step()

    def check_losses(self) -> None:
        """Look at the losses since the last look; all processes do so after the same step.

        Raises:
            InputError: one is not a finite number; names the step of the first.
        """
        if self.looked_at == self.batch:
            return
        losses = self.runtime.world.sum(self.sums[self.looked_at : self.batch, 0].clone()).tolist()
        for step, loss in enumerate(losses, self.looked_at + 1):
            if not math.isfinite(loss):
                where, lower = f"epoch {self.epoch + 1} at step {step:,}", f"lower lr in {PARAMS}"
                raise InputError(f"training diverged in {where} (loss {loss}); {lower} (now {self.config.lr})")
        self.looked_at = self.batch

    def is_finite(self) -> bool:
        """Whether all weights are numbers; one step can break them before any loss shows it."""
        return all(bool(value.isfinite().all()) for value in self.model.state_dict().values())

    def finish_epoch(self, stop: StopRequest) -> EpochResult:
        """Fetch the sums once, validate, and begin a new epoch.

        Raises:
            Interrupted: a stop was asked for before or during validation, which a resumed training does again.
        """
        started = time.perf_counter()
        loss, correct = (self.runtime.world.sum(self.sums.sum(0)) / self.loader.images_per_epoch).tolist()
        seconds = self.seconds + time.perf_counter() - started  # a GPU is done when its sums are there
        with stop.at_once():
            val_loss, val_accuracy = self.validate()
        result = EpochResult(
            epoch=self.epoch + 1,
            lr=self.optimizer.param_groups[0]["lr"],
            train_loss=loss,
            train_accuracy=correct,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=seconds,
            images_per_second=self.loader.images_per_epoch / seconds,
        )
        self.history.append(result)
        self.epoch, self.batch, self.looked_at, self.seconds = self.epoch + 1, 0, 0, 0.0
        self.sums = torch.zeros_like(self.sums)
        return result

    def step(
        self, images: UInt8[Tensor, "batch 3 32 32"], labels: Int64[Tensor, " batch"], lr: float, seed: int
    ) -> Float[Tensor, "2"]:
        """One update with a batch that is augmented by `seed`; sum of losses and number of hits, on the device."""
        set_learning_rate(self.optimizer, lr)
        # All processes augment the whole batch, so that what an image becomes does not depend on their number.
        draws = self.draws.manual_seed(seed)
        seed_globals(derive_seed(seed, self.runtime.world.rank))  # for dropout, which takes no generator
        pixels = normalize(augment(images, self.config.augment, draws), self.mean, self.std)
        pixels, targets = mix(pixels, labels, self.config.augment, self.num_classes, draws)
        pixels, targets, labels = map(self.runtime.world.share, (pixels, targets, labels))

        # Compiled code is for full batches; the last one of an epoch is not worth compiling for.
        network = self.compiled if len(images) == self.config.batch_size else self.network
        with self.runtime.autocast():
            logits = network(pixels.contiguous(memory_format=self.runtime.memory_format))
            loss = F.cross_entropy(logits, targets, label_smoothing=self.config.loss.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        self._balanced(loss, len(labels), len(images)).backward()
        self.optimizer.step()
        return torch.stack([loss.detach().float() * len(labels), (logits.detach().argmax(1) == labels).sum().float()])

    def _balanced(self, loss: Float[Tensor, ""], mine: int, all_images: int) -> Float[Tensor, ""]:
        """Gradients are averaged over the processes: weigh this one's by its share, which may be one image larger."""
        size = self.runtime.world.size
        return loss if size == 1 else loss * (mine * size / all_images)

    def validate(self) -> tuple[float, float]:
        """Mean cross-entropy and accuracy on the validation part, one plain view; NaN without images."""
        if not len(self.val):
            return math.nan, math.nan
        plain = PredictConfig(batch_size=None, tta="none", tta_below_confidence=1.0)
        logits = predict_logits(self.model, self.val_images, self.mean, self.std, plain, self.runtime)
        labels = torch.from_numpy(self.val.labels)
        return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).double().mean().item()
