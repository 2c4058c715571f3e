"""Where a run comes from, by what git says: commit, experiment, changed parameters.

The same run has another commit in another clone, after a rebase, and before it is committed. So what git says goes into
records, messages and the report, but into no other out of a stage. Outs name the code by a digest of its content
(`engine.provenance`), and `commit_with` finds the commit that has it.
"""

import json
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cifar10.core.config import PARAMS, parse_yaml, read_params
from cifar10.engine.provenance import digest_blobs, file_md5, machine, read_log, source_paths

LOCK = Path("dvc.lock")
CODE = ("dvc.yaml", "src")  # with `changed_params`, all that a result is made of but the data
MAX_COMMITS = 100  # that are searched for a stage's code


@dataclass(frozen=True)
class Origin:
    """What of a run no parameter determines. What is not known is empty."""

    commit: str
    code_commit: str  # the one that has the code which trained the model
    changed_params: dict[str, Any]
    machine: dict[str, Any]  # the one that measured, as `provenance.machine` returns it
    training: dict[str, Any] | None  # the log of `provenance`
    previous: dict[str, dict[str, float]]  # metrics.json of the last commit: part -> accuracy, macro_f1, images


def find_origin(model_file: Path, code: str | None, metrics: Path) -> Origin:
    """The origin of the run whose code, by its digest, trained `model_file`, and that writes `metrics`."""
    return Origin(
        commit=commit(),
        code_commit=commit_with("train", code),
        changed_params=changed_params(),
        machine=machine(),
        training=read_log(file_md5(model_file)),
        previous=json.loads(committed_out(metrics) or "{}"),
    )


def commit() -> str:
    """Short hash of the current commit, with `-dirty` if code differs from it; empty without git."""
    head = git("rev-parse", "--short", "HEAD")
    return f"{head}-dirty" if git("diff", "--name-only", "HEAD", "--", *CODE) else head


def experiment() -> str:
    """Name of the DVC experiment whose `dvc.lock` is the present one (the latest of several), else `workspace`."""
    lock = git("hash-object", "dvc.lock")
    refs = git("for-each-ref", "--sort=-committerdate", "--format=%(objectname) %(refname)", "refs/exps")
    for sha, name in re.findall(r"^(\w+) refs/exps/\w{2}/\w{38,}/(.+)$", refs, re.MULTILINE):
        if lock and git("rev-parse", f"{sha}:./dvc.lock") == lock:
            return name
    return "workspace"


def changed_params(current: dict[str, Any] | None = None) -> dict[str, Any]:
    """The parameters that differ from the commit's, by dotted key: `{"optimizer.momentum": 0.8}`.

    `current` is all of params.yaml; without it, the one in the current folder.
    `data.path` is left out: where the images lie on one machine tells nobody else anything.
    """
    committed = git("show", f"HEAD:./{PARAMS}")
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
    md5 = out_md5(git("show", f"HEAD:./{LOCK}"), path)
    cached = cached_file(md5) if md5 else None
    return cached.read_bytes() if cached and cached.is_file() else None


def cached_file(md5: str) -> Path:
    """Where DVC's cache has the file of this md5, if it has it."""
    return cache_dir() / "files/md5" / md5[:2] / md5[2:]


def cache_dir() -> Path:
    """DVC's cache; projects may share one, and copies of the folder (`--temp`, DVC's queue) use the original's.

    DVC is asked, by its command, since importing it takes longer.
    """
    with suppress(FileNotFoundError):  # no DVC
        done = subprocess.run(["dvc", "cache", "dir"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            path = Path(done.stdout.strip())
            return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return Path(".dvc/cache")


def out_md5(lock: str, path: Path) -> str | None:
    """The md5 of an out by the text of a lock file."""
    stages = parse_yaml(lock, LOCK)["stages"] if lock else {}
    outs = [out for stage in stages.values() for out in stage.get("outs", ())]
    return next((out["md5"] for out in outs if out["path"] == path.as_posix()), None)


def commit_with(stage: str, digest: str | None, everywhere: bool = False) -> str:
    """Short hash of the last commit in which the code of a stage has this digest; empty where none is found.

    Searched are the last commits up to the present one, or `everywhere` all that git remembers: of any branch,
    experiment, stash or reflog.
    """
    paths = [part.as_posix() for part in source_paths(stage)]
    which = ("--all", "--reflog") if everywhere else (f"-{MAX_COMMITS}",)
    commits = git("log", *which, "--format=%h", "--", *paths).split() if paths and digest else []
    for commit in commits:
        listing = re.findall(r"^\d+ blob (\w+)\t(.+)$", git("ls-tree", "-r", commit, "--", *paths), re.MULTILINE)
        if digest_blobs({path: blob for blob, path in listing}) == digest:
            return commit
    return ""


def git(*arguments: str) -> str:
    """What git prints in the current folder; empty where there is no git or it has no answer."""
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
