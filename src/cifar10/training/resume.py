"""Where a training stood, saved beside the outs until it has ended.

The last two states are there, each with its sha256, in a folder that is named by a digest of everything that the
result depends on. So a torn file costs a few minutes, and the state of another recipe, data set or program is never
taken for one's own.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import cifar10
from cifar10.core.config import format_error
from cifar10.core.files import atomic_write
from cifar10.data.dataset import PreparedData
from cifar10.engine.provenance import code_digest
from cifar10.models.checkpoint import DamagedError, pack, unpack
from cifar10.training.trainer import TrainConfig, Trainer

FOLDER = Path("logs/resume")
ORIGIN = "origin.json"
STATES = 2
# Keys that no result depends on.
HARMLESS = {"runtime": {"checkpoint_minutes", "tensorboard"}}


def training_code() -> str:
    """A digest of the source files that training depends on; of the whole package where no dvc.yaml names them."""
    if digest := code_digest("train"):
        return digest
    whole = hashlib.sha256()
    for source in sorted(Path(cifar10.__path__[0]).rglob("*.py")):
        whole.update(source.read_bytes())
    return whole.hexdigest()


def run_key(config: TrainConfig, data: PreparedData, runtime: str, code: str) -> str:
    """A digest of parameters, training and validation images, code, torch, and the device with its threads."""
    params = config.model_dump(exclude=HARMLESS)
    values = [params, data.classes, data.mean, data.std, runtime, code, torch.__version__, len(data.train_rows)]
    digest = hashlib.sha256(json.dumps(values).encode())
    digest.update(data.labelled.digest)
    for rows in (data.train_rows, data.val_rows):
        digest.update(rows.tobytes())
    return digest.hexdigest()[:32]


def resume_store(config: TrainConfig, data: PreparedData, runtime: str) -> "ResumeStore":
    """The states of one training. DVC's copies of the folder (`--temp`, its queue) share those of the original."""
    folder = Path(os.environ.get("DVC_ROOT", ".")) / os.environ.get("CIFAR10_RESUME", FOLDER)
    code = training_code()
    origin = {"code": code, "model": config.model.name, "runtime": runtime, "torch": torch.__version__}
    return ResumeStore(folder, run_key(config, data, runtime, code), origin)


class ResumeStore:
    """The states of one run, in a folder of its own below `folder`, with what they came from in `origin.json`."""

    def __init__(
        self, folder: Path, key: str, origin: dict[str, str] | None = None, warn: Callable[[str], None] = print
    ) -> None:
        self.folder, self.key, self.origin, self.warn = folder / key, key, origin or {}, warn

    def save(self, state: dict[str, Any]) -> None:
        """Write one more state, then drop the oldest."""
        existing = self._states()
        number = int(existing[-1].stem) + 1 if existing else 0
        if not existing:
            atomic_write(self.folder / ORIGIN, json.dumps(self.origin, indent=2) + "\n")
        atomic_write(self.folder / f"{number:08d}.pt", pack({"key": self.key, **state}))
        for path in self._states()[:-STATES]:
            path.unlink()

    def load(self) -> dict[str, Any] | None:
        """The newest state that is whole, on the CPU; None where there is none. A damaged one is told and left out."""
        for path in reversed(self._states()):
            try:
                state = unpack(path.read_bytes())
            except DamagedError:
                self.warn(f"train: {path}: damaged; an older state is used if there is one")
                continue
            if state.pop("key") == self.key:
                return state
            self.warn(f"train: {path}: the state of another run; left out")
        return None

    def clear(self) -> None:
        """Forget the run: it has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _states(self) -> list[Path]:
        return sorted(self.folder.glob("*.pt"))


def code_of(folder: Path) -> str | None:
    """The digest of the code that wrote the states in a store's folder; None where that is not known."""
    try:
        return json.loads((folder / ORIGIN).read_text())["code"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Checkpointer:
    """Saves the trainer's state every `runtime.checkpoint_minutes`, and whenever it is told to."""

    def __init__(self, trainer: Trainer, store: ResumeStore | None) -> None:
        self.trainer, self.store = trainer, store
        self.seconds = 60 * trainer.config.runtime.checkpoint_minutes
        self.saved_at = time.monotonic()

    def save_if_due(self) -> None:
        """Between two steps: save if it is time to. A full disk is told, for it may have room again later."""
        if self.seconds and time.monotonic() - self.saved_at >= self.seconds:
            try:
                self.save()
            except OSError as error:
                self.saved_at = time.monotonic()
                tqdm.write(f"train: the state could not be kept; {format_error(error)}")

    def save(self) -> None:
        """Write the state, from the first process, if all processes are at the same step and all weights are numbers.

        Raises:
            InputError: the training has diverged; what was saved before stays.
        """
        if self.store and self.trainer.runtime.world.is_first and self.trainer.processes_agree:
            self.trainer.check_losses()  # where an epoch ends all processes have done so already
            if self.trainer.is_finite():
                self.store.save(self.trainer.state())
                self.saved_at = time.monotonic()
