"""Which run the files in the working folder come from, asked of git and DVC; empty where there is no repository."""

import json
import re
import subprocess
import sys
from typing import Any

RECIPE = ("dvc.yaml", "params.yaml", "src")  # what a result is made of, the data apart


def commit() -> str:
    """Short hash of the current commit; with `-dirty` if code or parameters differ from it."""
    head = _run("git", "rev-parse", "--short", "HEAD")
    return f"{head}-dirty" if _run("git", "diff", "--name-only", "HEAD", "--", *RECIPE) else head


def experiment() -> str:
    """Name of the DVC experiment whose `dvc.lock` is the present one (the latest of several), else `workspace`."""
    lock = _run("git", "hash-object", "dvc.lock")
    refs = _run("git", "for-each-ref", "--sort=-committerdate", "--format=%(objectname) %(refname)", "refs/exps")
    for sha, name in re.findall(r"^(\w+) refs/exps/\w{2}/\w{38,}/(.+)$", refs, re.MULTILINE):
        if lock and _run("git", "rev-parse", f"{sha}:./dvc.lock") == lock:
            return name
    return "workspace"


def changed_params() -> dict[str, Any]:
    """The parameters of params.yaml that differ from the commit's: `{"lr": 0.05}`."""
    changes = json.loads(_run(sys.executable, "-m", "dvc", "params", "diff", "--json") or "{}")
    return {key: change["new"] for key, change in sorted(changes.get("params.yaml", {}).items())}


def _run(*command: str) -> str:
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git on this machine
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
