"""What is told of each epoch of a training, and of the whole."""

import math
from dataclasses import asdict, dataclass


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


def describe_epoch(result: EpochResult, epochs: int) -> str:
    """One line of text."""
    val = (
        f"val loss {result.val_loss:.4f} acc {result.val_accuracy:.4f}  " if result.val_loss == result.val_loss else ""
    )
    return (
        f"epoch {result.epoch:>{len(str(epochs))}}/{epochs}  train loss {result.train_loss:.4f} "
        f"acc {result.train_accuracy:.4f}  {val}lr {result.lr:.2e}  "
        f"{result.seconds:.1f} s  {result.images_per_second:,.0f} img/s"
    )
