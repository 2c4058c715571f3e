"""Whether git and DVC take this folder for a repository. Needs nothing but Python: `make` asks before it installs."""

import configparser
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

NO_SCM = r"printf '[core]\nno_scm = true\n' >> .dvc/config.local"  # git refuses a key with an underscore
SHALLOW = "a shallow clone, in which DVC loses runs in folders of their own; `git fetch --unshallow` brings the rest"
NOT_ASCII = (
    "is not all ASCII, and DVC fails to run in folders of their own (--temp, --queue); move the checkout, or name an "
    "ASCII path: `dvc cache dir --local /path/to/cache`"
)


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


def runs_apart_fault(find_cache: Callable[[], Path]) -> str:
    """What keeps DVC from runs in folders of their own (`--temp`, `--queue`), with what to do; empty: nothing.

    To a clone without its history (`git clone --depth`) DVC cannot bring such a run back. And it writes the path of its
    cache into that folder's settings as ASCII: with any other path `--temp` fails, and `--run-all` waits forever. Only
    in such a folder is DVC asked where its cache is, which takes it a second.
    """
    if _git("rev-parse", "--is-shallow-repository").stdout.strip() == "true":
        return f"git: {SHALLOW}"
    if str(Path.cwd()).isascii() or str(cache := find_cache().absolute()).isascii():
        return ""
    return f"dvc: {cache} {NOT_ASCII}"


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
