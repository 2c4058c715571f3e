"""The training loop: one epoch, one step of it, and the validation at its end."""

import math
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from cifar10.data.batches import normalize
from cifar10.engine.inference import PredictConfig, predict_logits
from cifar10.engine.reproducibility import derive_seed, seed_globals
from cifar10.training.augment import augment, mix, shrink
from cifar10.training.optim import learning_rate, set_learning_rate
from cifar10.training.trainer import Trainer

# Losses are checked after so many steps: it makes a GPU synchronize, and a processor has nothing to wait for.
STEPS_BETWEEN_CHECKS = {"cpu": 1, "cuda": 100, "mps": 100}


def train_one_epoch(trainer: Trainer, after_step: Callable[[], None] = lambda: None) -> tuple[float, float]:
    """One pass over the training images, or the rest of one that was interrupted.

    `after_step` is called between two steps: there the trainer's state may be saved, and it may raise.

    Returns:
        Mean loss and accuracy over the epoch, while the weights were changing.

    Raises:
        InputError: a loss is not a finite number.
    """
    config, loader = trainer.config, trainer.loader
    started = time.perf_counter() - trainer.seconds
    trainer.ddp_model.train()

    # --- the order of the images, the same on any device and for any number of processes ---
    order = torch.Generator().manual_seed(derive_seed(config.seed, trainer.epoch))
    mirrored = trainer.mirrored_first ^ (trainer.epoch % 2 == 1) if config.augment.alternating_flip else None

    # --- its steps; losses and correct answers stay on the device ---
    for images, labels in loader.epoch(order, trainer.batch, mirrored):
        lr = learning_rate(config.lr, trainer.progress(), config.schedule)
        seed = derive_seed(config.seed, trainer.epoch, trainer.batch)
        trainer.sums[trainer.batch] = step(trainer, images, labels, lr, seed)
        trainer.batch += 1
        if trainer.batch % STEPS_BETWEEN_CHECKS[trainer.runtime.device.type] == 0 or trainer.epoch_is_over:
            trainer.check_losses()
        trainer.seconds = time.perf_counter() - started
        after_step()

    # --- fetch the sums once, for which a GPU must have done all its steps: only now the clock is right ---
    loss, accuracy = (trainer.runtime.world.sum(trainer.sums.sum(0)) / loader.images_per_epoch).tolist()
    trainer.seconds = time.perf_counter() - started
    return loss, accuracy


def step(
    trainer: Trainer, images: UInt8[Tensor, "batch 3 32 32"], labels: Int64[Tensor, " batch"], lr: float, seed: int
) -> Float[Tensor, "2"]:
    """One update with a batch that is augmented by `seed`; sum of losses and number of correct answers, on the device.

    Both are of this process's share of the batch.
    """
    config, runtime = trainer.config, trainer.runtime

    # --- augment: every process the whole batch, so what an image becomes does not depend on their number ---
    generator = trainer.generator.manual_seed(seed)
    pixels = normalize(augment(images, config.augment_config(trainer.epoch), generator), trainer.mean, trainer.std)
    pixels, targets = mix(pixels, labels, config.augment, trainer.num_classes, generator)
    pixels = shrink(pixels, config.size_pixels(trainer.epoch))

    # --- forward, on this process's share ---
    pixels, targets, labels = map(runtime.world.share, (pixels, targets, labels))
    seed_globals(derive_seed(seed, runtime.world.rank))  # for dropout, which takes no generator
    # Code is compiled for full batches; the last one of an epoch is not worth compiling for.
    model = trainer.compiled_model if len(images) == config.batch_size else trainer.ddp_model
    with runtime.autocast():
        logits = model(pixels.contiguous(memory_format=runtime.memory_format))
        loss = F.cross_entropy(logits, targets, label_smoothing=config.loss.label_smoothing)

    # --- backward: gradients are averaged over the processes, of which one may have an image more ---
    trainer.optimizer.zero_grad(set_to_none=True)
    (loss * (len(labels) * runtime.world.size / len(images))).backward()

    # --- update ---
    set_learning_rate(trainer.optimizer, lr)
    with runtime.autocast():  # for Muon's matrix products; weights and momentum stay float32
        trainer.optimizer.step()
    correct = logits.detach().argmax(1) == labels
    return torch.stack([loss.detach().float() * len(labels), correct.sum().float()])


def validate(trainer: Trainer) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on the validation part, one plain view; NaN without images."""
    if not len(trainer.val):
        return math.nan, math.nan
    # Each process has batch-norm statistics of its own share; those of the first are saved, so they are judged.
    trainer.runtime.world.broadcast(trainer.model.buffers())
    plain = PredictConfig(batch_size=None, tta="none", tta_below_confidence=1.0)
    logits = predict_logits(trainer.model, trainer.val_images, trainer.mean, trainer.std, plain, trainer.runtime)
    labels = torch.from_numpy(trainer.val.labels)
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).double().mean().item()
