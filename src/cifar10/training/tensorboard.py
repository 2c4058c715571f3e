"""What TensorBoard shows of a training while it runs: curves, the network's graph, predictions after each epoch."""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from cifar10.data.batches import normalize
from cifar10.data.dataset import ImageSet, PreparedData
from cifar10.engine.runtime import Runtime

FOLDER = Path("runs")
MAX_IMAGES = 32
FRAME_PIXELS = 3
RIGHT, WRONG = (40, 160, 80), (210, 50, 45)  # green, red

Watcher = Callable[[dict[str, Any]], None]


@contextmanager
def watch(
    on: bool, name: str, model: nn.Module, data: PreparedData, runtime: Runtime, history: Sequence[dict[str, Any]] = ()
) -> Iterator[Watcher]:
    """Yield what is to be called after each epoch with its figures (the fields of an `EpochResult`).

    `history` has those of the epochs before: a training that goes on after a kill writes to a folder of its own, and
    its curves are whole there. Looks at the model without changing it or any random state, so a training is the same
    to the bit with it and without. Where it is not `on`, it does nothing.
    """
    if not on:
        yield lambda figures: None
        return
    from torch.utils.tensorboard import SummaryWriter  # here: it takes seconds, which few trainings need

    shown = data.labelled.select((data.val_rows if len(data.val_rows) else data.train_rows)[:MAX_IMAGES])
    writer = SummaryWriter(FOLDER / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{name}")
    print(f"train: `tensorboard --logdir {FOLDER} --host 127.0.0.1` shows this run while it goes on", flush=True)
    with writer:
        _add_graph(writer, model)
        for figures in history:
            _add_scalars(writer, figures)

        def add_epoch(figures: dict[str, Any]) -> None:
            _add_scalars(writer, figures)
            _add_predictions(writer, figures["epoch"], model, shown, data, runtime)
            writer.flush()

        yield add_epoch


def _add_scalars(writer: Any, figures: dict[str, Any]) -> None:
    for tag, value in scalars(figures).items():
        writer.add_scalar(tag, value, figures["epoch"])


def scalars(figures: dict[str, Any]) -> dict[str, float]:
    """The figures of an epoch under names that put training and validation into one group: `loss/train`."""
    tags = {key: "/".join(reversed(key.split("_", 1))) for key in figures if key.startswith(("train_", "val_"))}
    tags |= {"lr": "learning_rate", "images_per_second": "images_per_second"}
    return {tag: figures[key] for key, tag in tags.items() if figures[key] == figures[key]}  # NaN: no validation part


def frame(images: UInt8[Tensor, "images 3 32 32"], right: Bool[Tensor, " images"]) -> UInt8[Tensor, "images 3 38 38"]:
    """Images in a green frame where the prediction is right, in a red one where it is wrong."""
    side = images.shape[-1] + 2 * FRAME_PIXELS
    colors = torch.where(right[:, None], torch.tensor(RIGHT), torch.tensor(WRONG)).to(torch.uint8)
    framed = colors[:, :, None, None].repeat(1, 1, side, side)
    framed[:, :, FRAME_PIXELS:-FRAME_PIXELS, FRAME_PIXELS:-FRAME_PIXELS] = images
    return framed


def _add_graph(writer: Any, model: nn.Module) -> None:
    """A copy is traced: tracing the model itself would count as a batch for its running statistics."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorBoard's writer traces in a way that torch means to drop
        writer.add_graph(copy.deepcopy(model).cpu().eval(), torch.zeros(1, 3, 32, 32))


def _add_predictions(
    writer: Any, epoch: int, model: nn.Module, shown: ImageSet, data: PreparedData, runtime: Runtime
) -> None:
    confidence, predicted = _logits(model, shown, data, runtime).softmax(1).max(1)
    labels = torch.from_numpy(shown.labels)
    writer.add_images("predictions", frame(torch.from_numpy(shown.images), predicted == labels), epoch)
    rows = [
        f"| {data.classes[label]} | {data.classes[named]} | {100 * sure:.1f} % |"
        for label, named, sure in zip(labels.tolist(), predicted.tolist(), confidence.tolist(), strict=True)
    ]
    writer.add_text("predictions", "\n".join(["| true | predicted | confidence |", "|---|---|---|", *rows]), epoch)


@torch.inference_mode()
def _logits(model: nn.Module, shown: ImageSet, data: PreparedData, runtime: Runtime) -> Float[Tensor, "images classes"]:
    """For one process alone: `predict_logits` would wait for the others."""
    was_training = model.training
    model.eval()
    pixels = normalize(torch.from_numpy(shown.images).to(runtime.device), data.mean, data.std)
    with runtime.autocast():
        logits = model(pixels.contiguous(memory_format=runtime.memory_format)).float().cpu()
    model.train(was_training)
    return logits
