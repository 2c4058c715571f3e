"""Which run the files in the working folder come from: commit, experiment, parameters, code, machine.

What git says at the moment of the call belongs into records, messages and the report, and never into another of the
stages' outs: the same run has another commit in another repository, after a rebase, or before it is committed. The
code is named by a digest of what it says, which is the same in all of them; git then tells the commit that has it.
"""

import hashlib
import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cifar10.core.config import PARAMS, parse_yaml, read_params

PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
CACHE = Path(".dvc/cache/files/md5")
CODE = ("dvc.yaml", "src")  # with `changed_params`, all that a result is made of but the data
MOST_COMMITS = 100  # that are searched for a stage's code
LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "pillow", "py7zr")  # what it can change with


def commit() -> str:
    """Short hash of the current commit, with `-dirty` if code differs from it; empty without git."""
    head = _git("rev-parse", "--short", "HEAD")
    return f"{head}-dirty" if _git("diff", "--name-only", "HEAD", "--", *CODE) else head


def experiment() -> str:
    """Name of the DVC experiment whose `dvc.lock` is the present one (the latest of several), else `workspace`."""
    lock = _git("hash-object", "dvc.lock")
    refs = _git("for-each-ref", "--sort=-committerdate", "--format=%(objectname) %(refname)", "refs/exps")
    for sha, name in re.findall(r"^(\w+) refs/exps/\w{2}/\w{38,}/(.+)$", refs, re.MULTILINE):
        if lock and _git("rev-parse", f"{sha}:./dvc.lock") == lock:
            return name
    return "workspace"


def changed_params(current: dict[str, Any] | None = None) -> dict[str, Any]:
    """The parameters that differ from the commit's, by dotted key: `{"optimizer.momentum": 0.8}`.

    `current` is all of params.yaml; without it, the one in the current folder.
    `data.path` is left out: where the images lie on one machine tells nobody else anything.
    """
    committed = _git("show", f"HEAD:./{PARAMS}")
    if not committed:
        return {}
    changed = changed_keys(parse_yaml(committed, PARAMS), current or read_params(PARAMS))
    return {key: value for key, value in changed.items() if key != "data.path"}


def changed_keys(default: dict[str, Any], current: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys of `current`, in its order, whose value differs from `default`'s."""
    changed: dict[str, Any] = {}
    for key, value in current.items():
        if isinstance(value, dict):
            changed |= changed_keys(default.get(key) or {}, value, f"{prefix}{key}.")
        elif key not in default or default[key] != value:
            changed[prefix + key] = value
    return changed


def committed_out(path: Path) -> bytes | None:
    """The content that a stage's out had in the last commit; None where DVC's cache or the lock file lacks it."""
    md5 = out_md5(_git("show", f"HEAD:./{LOCK}"), path)
    cached = CACHE / md5[:2] / md5[2:] if md5 else None
    return cached.read_bytes() if cached and cached.is_file() else None


def out_md5(lock: str, path: Path) -> str | None:
    """The md5 of an out by the text of a lock file."""
    stages = parse_yaml(lock, LOCK)["stages"] if lock else {}
    outs = [out for stage in stages.values() for out in stage.get("outs", ())]
    return next((out["md5"] for out in outs if out["path"] == path.as_posix()), None)


def code_digest(stage: str) -> str | None:
    """A digest of the source files that a stage depends on, as they are now; None without a dvc.yaml that names it.

    Made of git's own digests of the files (the SHA-1 of a blob), so that it can be compared with any commit's.
    """
    files = [path for part in _code(stage) for path in ([part] if part.is_file() else sorted(part.rglob("*")))]
    blobs = {
        path.as_posix(): hashlib.sha1(b"blob %d\0" % len(content := path.read_bytes()) + content).hexdigest()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts
    }
    return _digest(blobs) if blobs else None


def commit_with(stage: str, digest: str | None) -> str:
    """Short hash of the last commit in which the code of a stage has this digest; empty where none is found."""
    paths = [part.as_posix() for part in _code(stage)]
    commits = _git("log", f"-{MOST_COMMITS}", "--format=%h", "--", *paths).split() if paths and digest else []
    for commit in commits:
        listing = re.findall(r"^\d+ blob (\w+)\t(.+)$", _git("ls-tree", "-r", commit, "--", *paths), re.MULTILINE)
        if _digest({path: blob for blob, path in listing}) == digest:
            return commit
    return ""


def _code(stage: str) -> list[Path]:
    """The files and folders of source code among what dvc.yaml says that a stage depends on."""
    if not PIPELINE.is_file():
        return []
    stages = parse_yaml(PIPELINE.read_text(encoding="utf-8"), PIPELINE)["stages"]
    return [Path(path) for path in stages.get(stage, {}).get("deps", ()) if path.startswith("src/")]


def _digest(blobs: dict[str, str]) -> str:
    return hashlib.sha256("".join(f"{blob} {path}\n" for path, blob in sorted(blobs.items())).encode()).hexdigest()


def machine() -> dict[str, Any]:
    """Library versions, processor or GPU, and threads of this process."""
    import torch  # here: asking git alone should not take torch's seconds

    return {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else _processor(),
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


def _git(*arguments: str) -> str:
    """What git prints in the current folder; empty where there is no git or it has no answer."""
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
