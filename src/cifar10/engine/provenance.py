"""What a model was made by: code, machine, seconds.

The code is named by a digest of what it says, which is the same in every clone and after every rebase. What differs
from run to run, the seconds above all, is no part of a DVC out, where it would make every rerun look like a change: it
goes to a log in an ignored folder, under the md5 of the model's file, which is its name in DVC's cache too. So a model
that comes back from there finds its log, and no other model takes it for its own.
"""

import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cifar10.core.config import parse_yaml
from cifar10.core.files import atomic_write

PIPELINE = Path("dvc.yaml")
LOGS = Path("logs/train")
LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "pillow", "py7zr")  # what a result can change with


def code_digest(stage: str) -> str | None:
    """A digest of the source files that a stage depends on, as they are now; None without a dvc.yaml that names it.

    Made of git's own digests of the files (the SHA-1 of a blob), so that it can be compared with any commit's.
    """
    files = [path for part in source_paths(stage) for path in ([part] if part.is_file() else sorted(part.rglob("*")))]
    blobs = {
        path.as_posix(): hashlib.sha1(b"blob %d\0" % len(content := path.read_bytes()) + content).hexdigest()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts
    }
    return digest_blobs(blobs) if blobs else None


def source_paths(stage: str) -> list[Path]:
    """The files and folders of source code among what dvc.yaml says that a stage depends on."""
    if not PIPELINE.is_file():
        return []
    stages = parse_yaml(PIPELINE.read_text(encoding="utf-8"), PIPELINE)["stages"]
    return [Path(path) for path in stages.get(stage, {}).get("deps", ()) if path.startswith("src/")]


def digest_blobs(blobs: dict[str, str]) -> str:
    """One digest of git's digests of files, by path."""
    return hashlib.sha256("".join(f"{blob} {path}\n" for path, blob in sorted(blobs.items())).encode()).hexdigest()


def machine() -> dict[str, Any]:
    """Library versions, processor or GPU, the processor's instruction sets, and threads of this process.

    All of it is the same for every run on one machine.
    """
    import torch  # here: asking for a digest or a log should not take torch's seconds

    from cifar10.engine.processor import instruction_sets

    return {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else _processor(),
        "instruction_sets": instruction_sets(),
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    """The processor's name and number of cores, as precisely as the system tells."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores"


def write_log(model_file: Path, values: dict[str, Any]) -> None:
    """Keep plain values as the log of the model in `model_file`."""
    atomic_write(_log_path(file_md5(model_file)), json.dumps(values, indent=2) + "\n")


def read_log(md5: str) -> dict[str, Any] | None:
    """The log of the model whose file has this md5; None where it was trained elsewhere."""
    try:
        return json.loads(_log_path(md5).read_text())
    except (FileNotFoundError, ValueError):  # without its log a model is whole: never a reason to stop
        return None


def file_md5(path: Path) -> str:
    """A file's md5, as DVC's lock file has it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _log_path(md5: str) -> Path:
    """In the project's own folder also where DVC runs a stage in a temporary copy (`--temp`, its queue)."""
    return Path(os.environ.get("DVC_ROOT", ".")) / LOGS / f"{md5}.json"
