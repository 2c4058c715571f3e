"""Whether git and DVC take this folder for a repository. Needs nothing but Python: `make` asks before it installs."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

NO_SCM = r"printf '[core]\nno_scm = true\n' >> .dvc/config.local"  # git refuses a key with an underscore
SHALLOW = "a shallow clone, in which DVC loses runs in folders of their own; `git fetch --unshallow` brings the rest"


def repository_fault() -> str:
    """What keeps DVC from running here, with what to do about it; empty where nothing does."""
    if _without_git():
        return ""
    if not shutil.which("git"):
        return "git: not installed; install it, or write `[core]` and `no_scm = true` into .dvc/config.local"
    git = _git("rev-parse", "--git-dir")
    if "dubious ownership" in git.stderr:
        return f"git: this folder is another user's; `git config --global --add safe.directory '{Path.cwd()}'`"
    if git.returncode:
        return f"git: no repository here; `git init && git add -A && git commit -m start`, or without git: `{NO_SCM}`"
    if _git("rev-parse", "--verify", "HEAD").returncode:
        return "git: no commit yet, and DVC needs one; `git add -A && git commit -m start`"
    return ""


def is_shallow() -> bool:
    """Whether the clone lacks history (`git clone --depth`): DVC cannot bring a run of another folder back to it."""
    return _git("rev-parse", "--is-shallow-repository").stdout.strip() == "true"


def _without_git() -> bool:
    """Whether DVC was told that there is no git."""
    config = configparser.ConfigParser(strict=False, interpolation=None)
    config.read((".dvc/config", ".dvc/config.local"), encoding="utf-8")
    return config.get("core", "no_scm", fallback="").lower() == "true"


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        environment = {**os.environ, "LC_ALL": "C"}
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError:
        return subprocess.CompletedProcess(arguments, 127, "", "")


if __name__ == "__main__":
    fault = repository_fault()
    sys.exit(f"error: {fault}" if fault else 0)
