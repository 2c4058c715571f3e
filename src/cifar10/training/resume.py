"""Resume state: where a training stood, kept beside the outs until it has ended.

Two generations are kept, each with a sha256 in front, in a folder that is named by a digest of everything that the
result depends on. So a torn file costs a few minutes, and the state of another recipe, data set or program is never
taken for one's own.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

import cifar10
from cifar10.core.files import atomic_write
from cifar10.data.dataset import PreparedData

GENERATIONS = 2
_DIGEST_BYTES = 32


def run_key(config: Mapping[str, Any], data: PreparedData, runtime: str) -> str:
    """A digest of parameters, training and validation images, program, libraries and the device with its threads."""
    values = [config, data.classes, data.mean, data.std, runtime, torch.__version__, len(data.train_rows)]
    digest = hashlib.sha256(json.dumps(values).encode())
    digest.update(data.labelled.digest)
    for rows in (data.train_rows, data.val_rows):
        digest.update(rows.tobytes())
    for source in sorted(Path(cifar10.__path__[0]).rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:32]


class ResumeStore:
    """The states of one run, in a folder of its own below `folder`."""

    def __init__(self, folder: Path, key: str, warn: Callable[[str], None] = print) -> None:
        self.folder, self.key, self.warn = folder / key, key, warn

    def save(self, state: dict[str, Any]) -> None:
        """Write one more generation, then drop the oldest."""
        existing = self._generations()
        number = int(existing[-1].stem) + 1 if existing else 0
        buffer = io.BytesIO()
        torch.save({"key": self.key, **state}, buffer)
        payload = buffer.getvalue()
        atomic_write(self.folder / f"{number:08d}.pt", hashlib.sha256(payload).digest() + payload)
        for path in [*existing, self.folder][:-GENERATIONS]:
            path.unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """The newest state that is whole, on the CPU; None where there is none. A damaged one is told and left out."""
        for path in reversed(self._generations()):
            data = path.read_bytes()
            digest, payload = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
            if hashlib.sha256(payload).digest() != digest:
                self.warn(f"train: {path}: damaged; an older state is used if there is one")
                continue
            state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
            if state.pop("key") == self.key:
                return state
            self.warn(f"train: {path}: the state of another run; left out")
        return None

    def clear(self) -> None:
        """Forget the run: it has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _generations(self) -> list[Path]:
        return sorted(self.folder.glob("*.pt"))
