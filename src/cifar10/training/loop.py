"""The training loop."""

import math
import time
from dataclasses import asdict, dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from cifar10.batches import BatchLoader, normalize
from cifar10.config import PARAMS, Config, InputError
from cifar10.dataset import ImageSet, PreparedData
from cifar10.inference import PredictConfig, predict_logits
from cifar10.models import ModelConfig, build_model
from cifar10.reproducibility import derive_seed, seed_globals
from cifar10.runtime import Runtime, RuntimeConfig
from cifar10.training.augment import AugmentConfig, augment, mix
from cifar10.training.optim import OptimizerConfig, Progress, ScheduleConfig, build_optimizer, learning_rate
from cifar10.training.tensorboard import watch


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
    epochs: Annotated[int, Field(ge=1)]
    """Passes over the training images."""
    batch_size: Annotated[int, Field(ge=2)]
    """Images per optimizer step."""
    model: ModelConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    augment: AugmentConfig
    runtime: RuntimeConfig


@dataclass(frozen=True)
class EpochResult:
    """One row of the history. Validation fields are NaN where there is no validation part."""

    epoch: int  # 1, 2, ...
    lr: float  # at the epoch's last step
    train_loss: float  # mean over the epoch, on augmented images, label smoothing included
    train_accuracy: float  # 0..1, on augmented images (each by its own label), while the weights were changing
    val_loss: float  # plain cross-entropy
    val_accuracy: float  # 0..1
    seconds: float  # training part of the epoch, augmentation included, validation not
    images_per_second: float


def fit(data: PreparedData, config: TrainConfig) -> tuple[nn.Module, list[EpochResult]]:
    """Train the network of `config` on `data.train`, watching `data.val` after each epoch.

    Returns:
        The model as it is after the last epoch, on its device, and one result for each epoch.

    Raises:
        InputError: the loss stopped being a number.
    """
    runtime = Runtime(config.runtime)
    seed_globals(config.seed)
    model = runtime.place(build_model(config.model, len(data.classes)))
    optimizer = build_optimizer(model, config.lr, config.optimizer)
    loader = BatchLoader(data.train, config.batch_size, runtime.device)
    val = data.val
    if config.schedule.name == "plateau" and not len(val):
        raise InputError(f"{PARAMS}: schedule.name: plateau watches validation images, and data.val_fraction is 0")
    print(f"train: {config.model.name} on {len(data.train_rows):,} images, {runtime}", flush=True)

    history: list[EpochResult] = []
    with (
        tqdm(total=config.epochs * loader.batches_per_epoch, desc="train", unit="step", disable=None) as bar,
        watch(config.runtime.tensorboard, config.model.name, model, data, runtime) as show_epoch,
    ):
        for epoch in range(config.epochs):
            started = time.perf_counter()
            val_losses = [result.val_loss for result in history]
            loss, accuracy = train_one_epoch(model, loader, optimizer, epoch, data, config, runtime, bar, val_losses)
            seconds = time.perf_counter() - started
            if not math.isfinite(loss):
                raise InputError(
                    f"training diverged in epoch {epoch + 1} (loss {loss}); lower lr in {PARAMS} (now {config.lr})"
                )
            val_loss, val_accuracy = validate(model, val, data, runtime)
            history.append(
                EpochResult(
                    epoch=epoch + 1,
                    lr=optimizer.param_groups[0]["lr"],
                    train_loss=loss,
                    train_accuracy=accuracy,
                    val_loss=val_loss,
                    val_accuracy=val_accuracy,
                    seconds=seconds,
                    images_per_second=loader.images_per_epoch / seconds,
                )
            )
            bar.set_postfix_str(f"loss {loss:.3f}, acc {accuracy:.3f}")
            bar.write(_line(history[-1], config.epochs))
            show_epoch(asdict(history[-1]))
    return model, history


def train_one_epoch(
    model: nn.Module,
    loader: BatchLoader,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    data: PreparedData,
    config: TrainConfig,
    runtime: Runtime,
    bar: tqdm,
    val_losses: list[float],
) -> tuple[float, float]:
    """One pass over the training images; mean loss and accuracy, summed on the device and fetched once."""
    model.train()
    order = torch.Generator().manual_seed(derive_seed(config.seed, epoch))
    draws = torch.Generator(runtime.device)
    total_steps = config.epochs * loader.batches_per_epoch
    loss_sum = torch.zeros((), device=runtime.device)
    correct = torch.zeros((), device=runtime.device, dtype=torch.int64)
    for batch, (images, labels) in enumerate(loader.epoch(order)):
        step = epoch * loader.batches_per_epoch + batch
        progress = Progress(step, total_steps, loader.batches_per_epoch, val_losses)
        draws.manual_seed(derive_seed(config.seed, epoch, batch))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config.lr, progress, config.schedule)

        loss, logits = forward(model, images, labels, data, config, runtime, draws)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

        loss_sum += loss.detach() * len(labels)
        correct += (logits.detach().argmax(1) == labels).sum()
        bar.update()
    return loss_sum.item() / loader.images_per_epoch, correct.item() / loader.images_per_epoch


def forward(
    model: nn.Module,
    images: UInt8[Tensor, "batch 3 32 32"],
    labels: Int64[Tensor, " batch"],
    data: PreparedData,
    config: TrainConfig,
    runtime: Runtime,
    draws: torch.Generator,
) -> tuple[Float[Tensor, ""], Float[Tensor, "batch classes"]]:
    """Loss and logits of one batch, augmented by `draws`."""
    pixels = normalize(augment(images, config.augment, draws), data.mean, data.std)
    pixels, targets = mix(pixels, labels, config.augment, len(data.classes), draws)
    with runtime.autocast():
        logits = model(pixels.contiguous(memory_format=runtime.memory_format))
        return F.cross_entropy(logits, targets, label_smoothing=config.loss.label_smoothing), logits


def validate(model: nn.Module, val: ImageSet, data: PreparedData, runtime: Runtime) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on the validation part, without test-time augmentation; NaN without images."""
    if not len(val):
        return math.nan, math.nan
    plain = PredictConfig(batch_size=500, tta="none")
    logits = predict_logits(model, val.images, data.mean, data.std, plain, runtime)
    labels = torch.from_numpy(val.labels)
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).double().mean().item()


def summarize(history: list[EpochResult]) -> dict[str, dict[str, int | float]]:
    """The last epoch, whose weights are kept, and the best by validation accuracy, which is only reported.

    Choosing the best epoch on the images that the accuracy is then quoted for flatters it; the last one does not.
    Without validation images there is no best, and the last has its training figures alone.
    """
    keys = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    last = {key: value for key, value in asdict(history[-1]).items() if key in keys and not math.isnan(value)}
    if "val_accuracy" not in last:
        return {"last": last}
    best = max(history, key=lambda result: result.val_accuracy)
    return {"last": last, "best": {"epoch": best.epoch, "val_accuracy": best.val_accuracy}}


def _line(result: EpochResult, epochs: int) -> str:
    val = (
        f"val loss {result.val_loss:.4f} acc {result.val_accuracy:.4f}  " if result.val_loss == result.val_loss else ""
    )
    return (
        f"epoch {result.epoch:>{len(str(epochs))}}/{epochs}  train loss {result.train_loss:.4f} "
        f"acc {result.train_accuracy:.4f}  {val}lr {result.lr:.2e}  "
        f"{result.seconds:.1f} s  {result.images_per_second:,.0f} img/s"
    )
