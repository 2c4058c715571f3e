"""What is told of each epoch of a training, and of the whole."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import pandas as pd

# Wall-clock figures are no part of an out: they go to logs (see `provenance`).
CLOCK = ("seconds", "images_per_second")


@dataclass(frozen=True)
class EpochResult:
    """One row of the history. Validation fields are NaN where there is no validation part."""

    epoch: int  # 1, 2, ...
    lr: float  # at the epoch's last step
    max_lr: float  # the highest of its steps: with one epoch of one-cycle, `lr` is next to nothing
    train_loss: float  # mean over the epoch, on augmented images, label smoothing included
    train_accuracy: float  # 0..1, on augmented images (each by its own label), while the weights were changing
    val_loss: float  # plain cross-entropy
    val_accuracy: float  # 0..1
    seconds: float  # training part of the epoch, augmentation included, validation not
    images_per_second: float


def to_table(history: Sequence[EpochResult]) -> pd.DataFrame:
    """History as a table. Without validation images their columns are empty: DVC draws no plot of which one lacks."""
    return pd.DataFrame([asdict(result) for result in history], columns=[field.name for field in fields(EpochResult)])


def summarize(history: Sequence[EpochResult]) -> dict[str, dict[str, int | float]]:
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


def describe_epoch(result: EpochResult, epochs: int, seconds_left: float | None = None) -> str:
    """One line of text; with `seconds_left`, the time that the epochs after this one will take."""
    has_val = not math.isnan(result.val_loss)
    val = f"val loss {result.val_loss:.4f} acc {result.val_accuracy:.4f}  " if has_val else ""
    left = "" if seconds_left is None else f"  done in {format_duration(seconds_left)}"
    return (
        f"epoch {result.epoch:>{len(str(epochs))}}/{epochs}  train loss {result.train_loss:.4f} "
        f"acc {result.train_accuracy:.4f}  {val}lr {result.lr:.2e}  "
        f"{result.seconds:.1f} s  {result.images_per_second:,.0f} img/s{left}"
    )


def format_duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3 h 05 min`: as precise as an estimate is."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
