"""What a killed run leaves that the next one would stumble over, put right; nothing of a live process is touched.

DVC replaces its small files in place, so a kill in the wrong moment leaves half of one, and it then refuses to start:
`.dvc/tmp/rwlock` (who is at work on which path) and `dvc.lock`. Its lock files beside them need no care: the locks on
them end with the process that has them. A temporary file of the stages is one that only its stage may take away.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from cifar10.core.config import InputError, parse_yaml
from cifar10.core.files import atomic_write
from cifar10.core.locks import LOCKS, lock
from cifar10.engine.provenance import PIPELINE
from cifar10.evaluation.origin import LOCK, cache_dir, git

TEMPORARY = Path(".dvc/tmp")
PATIENCE_SECONDS = 3.0  # as DVC itself waits for its locks
BEING_WRITTEN_SECONDS = 60.0  # an entry of the run cache takes DVC milliseconds


def repair() -> list[str]:
    """Put right what dead runs left in the current folder; what was done, a line for each thing.

    Raises:
        InputError: this is no DVC project.
        BlockingIOError: a live DVC is at work in it.
    """
    if not PIPELINE.is_file() or not TEMPORARY.parent.is_dir():
        raise InputError(f"{PIPELINE}: not found, or no .dvc beside it; run from the folder that holds both")
    TEMPORARY.mkdir(exist_ok=True)
    with _dvc_kept_out():
        return [*_repair_rwlock(), *_repair_lock(), *_repair_run_cache(), *_remove_partials()]


@contextmanager
def _dvc_kept_out() -> Iterator[None]:
    """Hold the locks under which DVC writes its lock file and its list of who is at work."""
    with ExitStack() as stack:
        for name in ("lock", "rwlock.lock"):
            stack.enter_context(lock(TEMPORARY / name, PATIENCE_SECONDS))
        yield


def _repair_rwlock() -> list[str]:
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


def _repair_lock() -> list[str]:
    """Replace a `dvc.lock` that DVC refuses by git's committed one, or remove it where there is none.

    Either leads to the same file: DVC runs what an entry does not vouch for, or takes it out of its cache.
    """
    if not LOCK.exists() or _is_sound(before := LOCK.read_bytes()):
        return []
    conflict = re.search(rb"^(<<<<<<<|>>>>>>>)( |$)", before, re.MULTILINE)
    what = f"{LOCK}: {'a merge conflict' if conflict else 'cut off by a kill'}"
    committed = f"{git('show', f'HEAD:./{LOCK}')}\n".encode()
    if _is_sound(committed):
        atomic_write(LOCK, committed)
        side = _whose_side() if conflict else "git's committed one"
        after = f"; `dvc repro`, then `git add {LOCK}`" if conflict else ""
        return [f"{what}; {side} is back{after}"]
    LOCK.unlink()
    return [f"{what}; removed, `dvc repro` writes it anew"]


def _whose_side() -> str:
    """What git's HEAD is while two branches are brought together: in a rebase it is not one's own side."""
    folder = Path(git("rev-parse", "--git-dir"))
    rebase = (folder / "rebase-merge").exists() or (folder / "rebase-apply").exists()
    branch = git("rev-parse", "--abbrev-ref", "HEAD")
    return "the side that is rebased onto" if rebase else f"your own side ({branch})"


def _is_sound(lock: bytes) -> bool:
    """Whether DVC takes it for a lock file."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(lock.decode(), LOCK))
    except (InputError, UnicodeDecodeError, Invalid):
        return False
    return True


def _repair_run_cache() -> list[str]:
    """Remove half-written entries: DVC would take the newest file for one, whatever its name.

    And folders that it made for an entry and left empty: it looks for the newest file in them, and fails. Other
    projects may share the cache: what is younger than a minute, one of them may be writing.
    """
    runs = cache_dir() / "runs"
    oldest = time.time() - (0 if runs.is_relative_to(TEMPORARY.parent) else BEING_WRITTEN_SECONDS)
    left = [path for path in sorted(runs.glob("*/*/*.tmp")) if path.stat().st_mtime <= oldest]
    for path in left:
        path.unlink()
    folders = [folder for folder in sorted(runs.glob("*/*")) if folder.is_dir() and not any(folder.iterdir())]
    empty = [
        folder for folder in folders if folder in {path.parent for path in left} or folder.stat().st_mtime <= oldest
    ]
    for folder in empty:
        folder.rmdir()
    number = len({*empty, *(path.parent for path in left)})
    return [f"{runs}: half-written entries ({number}); removed"] if number else []


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
