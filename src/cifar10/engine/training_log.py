"""What a training took, and on which machine: a log for each model, beside the outs.

Seconds differ from run to run. In a DVC out they would make every rerun look like a change, so they are kept in an
ignored folder, under the md5 of the model's file, which is its name in DVC's cache too: a model that comes back from
there finds its log, and no other model takes it for its own.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from cifar10.core.files import atomic_write

FOLDER = Path("logs/train")


def write_log(model_file: Path, values: dict[str, Any]) -> None:
    """Keep plain values as the log of the model in `model_file`."""
    atomic_write(_path(file_md5(model_file)), json.dumps(values, indent=2) + "\n")


def read_log(md5: str) -> dict[str, Any] | None:
    """The log of the model whose file has this md5; None where it was trained elsewhere."""
    try:
        return json.loads(_path(md5).read_text())
    except (FileNotFoundError, ValueError):  # without its log a model is whole: never a reason to stop
        return None


def file_md5(path: Path) -> str:
    """A file's md5, as DVC's lock file has it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _path(md5: str) -> Path:
    return FOLDER / f"{md5}.json"
