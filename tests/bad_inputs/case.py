"""What a case is, a finished run to spoil, and ways to spoil a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from conftest import CLASSES, tiny_image, train_config, write_params, write_tiny

from cifar10.data.dataset import load_prepared
from cifar10.images.codec import encode_png
from cifar10.models import build_model
from cifar10.models.checkpoint import TrainedModel, save_model
from cifar10.stages import predict, prepare

PARAMS = {
    "data.source": "local", "data.path": "given", "model.name": "lenet", "epochs": 1, "batch_size": 12,
    "runtime.device": "cpu", "augment.crop_padding_pixels": 0,
}  # fmt: skip
EXPERIMENT = "lenet: {published: 0.53, measured_on: test, source: a tutorial, overrides: {lr: 0.1}}\n"
HISTORY = "epoch,lr,train_loss,train_accuracy\n1,0.02,1.5,0.5\n"
METRICS = '{"validation": {"accuracy": 0.5, "macro_f1": 0.5, "images": 10}}\n'


@dataclass(frozen=True)
class Case:
    """One damage, the command that meets it, and what its one line must name."""

    command: str  # a stage of dvc.yaml, or a command line of `cifar10`
    spoil: Callable[[], object]  # called in the folder of a finished run
    names: tuple[str, ...]  # the file, and the id, row, key or member
    apart: bool = False  # in a process of its own, as a user starts it


def build_run() -> None:
    """The current folder as a run of all stages leaves it; the report's files stand for themselves."""
    write_params(Path("params.yaml"), PARAMS)
    Path("experiments.yaml").write_text(EXPERIMENT)
    for name in ("given", "data/raw"):
        write_tiny(Path(name))
    prepare.main(Path("data/raw"), Path("data/prepared"), Path("reports/data.json"))
    save_model(Path("models/model.pt"), trained())
    predict.main(
        Path("data/prepared"), Path("data/raw/sampleSubmission.csv"), Path("models/model.pt"),
        Path("submissions/submission.csv"),
    )  # fmt: skip
    for name, text in (("train/history.csv", HISTORY), ("eval/metrics.json", METRICS), ("report.html", "<html>")):
        write(f"reports/{name}", text)
    write("photo.png", encode_png(tiny_image(1, 1)))


def trained(name: str = "lenet", classes: tuple[str, ...] = CLASSES) -> TrainedModel:
    """An untrained network of the tiny competition's classes."""
    torch.manual_seed(0)
    config = train_config(model__name=name).model
    data = load_prepared(Path("data/prepared"))
    return TrainedModel(build_model(config, len(classes)), config, list(classes), data.mean, data.std)


def write(path: str, content: bytes | str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)


def cut(path: str, share: float = 0.6) -> None:
    """Leave the first part of a file."""
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: int(len(data) * share)])


def flip(path: str, share: float = 0.5) -> None:
    """Flip one bit, so far into the file."""
    data = bytearray(Path(path).read_bytes())
    data[int(len(data) * share)] ^= 0x10
    Path(path).write_bytes(data)


def edit(path: str, old: str, new: str) -> None:
    """Replace the first `old` in a text file."""
    text = Path(path).read_bytes().decode()
    assert old in text
    Path(path).write_bytes(text.replace(old, new, 1).encode())


def to_folder(path: str) -> None:
    """Put a folder in a file's place."""
    Path(path).unlink()
    Path(path).mkdir()
