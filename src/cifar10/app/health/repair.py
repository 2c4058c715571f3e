"""What a killed run leaves that the next one would stumble over, put right; nothing of a live process is touched.

DVC replaces its small files in place, so a kill in the wrong moment leaves half of one, and it then refuses to start:
`.dvc/tmp/rwlock` (who is at work on which path) and `dvc.lock`. Its lock files beside them need no care: the locks on
them end with the process that has them. A temporary file of the stages is one that only its stage may take away.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from cifar10.core.config import InputError, parse_yaml
from cifar10.core.files import atomic_write
from cifar10.core.locks import LOCKS, lock

PIPELINE, LOCK = Path("dvc.yaml"), Path("dvc.lock")
TEMPORARY = Path(".dvc/tmp")
RUNS = Path(".dvc/cache/runs")
PATIENCE_SECONDS = 3.0  # as DVC itself waits for its locks


def heal() -> list[str]:
    """Put right what dead runs left in the current folder; what was done, a line for each thing.

    Raises:
        InputError: this is no DVC project.
        BlockingIOError: a live DVC is at work in it.
    """
    if not PIPELINE.is_file() or not TEMPORARY.parent.is_dir():
        raise InputError(f"{PIPELINE}: not found, or no .dvc beside it; run from the folder that holds both")
    TEMPORARY.mkdir(exist_ok=True)
    with _dvc_kept_out():
        return [*_heal_rwlock(), *_heal_lock(), *_heal_run_cache(), *_remove_partials()]


@contextmanager
def _dvc_kept_out() -> Iterator[None]:
    """Hold the locks under which DVC writes its lock file and its list of who is at work."""
    with ExitStack() as stack:
        for name in ("lock", "rwlock.lock"):
            stack.enter_context(lock(TEMPORARY / name, PATIENCE_SECONDS))
        yield


def _heal_rwlock() -> list[str]:
    """Drop the list of who is at work if it is unreadable, and from a readable one the entries of the dead."""
    path = TEMPORARY / "rwlock"
    try:
        before = json.loads(path.read_text())
        after = {
            "write": {name: user for name, user in before.get("write", {}).items() if _is_alive(user)},
            "read": {name: alive for name, users in before.get("read", {}).items() if (alive := _living(users))},
        }
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, AttributeError, KeyError):
        path.unlink()
        return [f"{path}: unreadable after a kill; removed"]
    if all(before.get(kind, {}) == users for kind, users in after.items()):
        return []
    atomic_write(path, json.dumps(after))
    return [f"{path}: entries of dead processes; removed"]


def _living(users: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [user for user in users if _is_alive(user)]


def _is_alive(user: dict[str, Any]) -> bool:
    """Whether the process of an entry lives and is DVC; after a restart its number may be another program's."""
    import psutil

    try:
        return any("dvc" in word for word in psutil.Process(user["pid"]).cmdline())
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False


def _heal_lock() -> list[str]:
    """Replace a `dvc.lock` that DVC refuses by git's committed one, or remove it where there is none.

    Either leads to the same file: DVC runs what an entry does not vouch for, or takes it out of its cache.
    """
    if not LOCK.exists() or _is_sound(LOCK.read_bytes()):
        return []
    with suppress(FileNotFoundError):  # no git
        committed = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True, check=False).stdout
        if _is_sound(committed):
            atomic_write(LOCK, committed)
            return [f"{LOCK}: cut off by a kill; git's committed one is back"]
    LOCK.unlink()
    return [f"{LOCK}: cut off by a kill; removed, `dvc repro` writes it anew"]


def _is_sound(lock: bytes) -> bool:
    """Whether DVC takes it for a lock file."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(lock.decode(), LOCK))
    except (InputError, UnicodeDecodeError, Invalid):
        return False
    return True


def _heal_run_cache() -> list[str]:
    """Remove half-written entries: DVC would take the newest file for one, whatever its name.

    And folders that it made for an entry and left empty: it looks for the newest file in them, and fails.
    """
    left = sorted(RUNS.glob("*/*/*.tmp"))
    for path in left:
        path.unlink()
    empty = [folder for folder in sorted(RUNS.glob("*/*")) if folder.is_dir() and not any(folder.iterdir())]
    for folder in empty:
        folder.rmdir()
    number = len({*empty, *(path.parent for path in left)})
    return [f"{RUNS}: half-written entries ({number}); removed"] if number else []


def _remove_partials() -> list[str]:
    """Remove the temporary files of every stage that nobody runs."""
    done: list[str] = []
    for stage, description in parse_yaml(PIPELINE.read_text(encoding="utf-8"), PIPELINE)["stages"].items():
        outs = [Path(out) for out in (*description.get("outs", ()), *description.get("metrics", ()))]
        partials = {out.with_name(f".{out.name}.partial") for out in outs} | {out.parent / ".incoming" for out in outs}
        left = sorted(path for path in partials if path.exists())
        with suppress(BlockingIOError), lock(LOCKS / stage, patience_seconds=0.0):
            for path in left:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                done.append(f"{path}: half-written by a killed {stage}; removed")
    return done
