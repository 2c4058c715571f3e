"""A repository with the pipeline, a tiny competition and recipes of its own, to run the real dvc in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import ROOT, write_params, write_tiny
from ruamel.yaml import YAML


def tiny_repository(
    folder: Path, params: dict[str, Any], recipes: dict[str, dict[str, Any]]
) -> tuple[dict[str, str], Callable[..., str]]:
    """Make `folder` such a repository; returns the environment for its commands, and what runs one and its output."""
    for name in ("dvc.yaml", "src", ".dvcignore", ".gitignore"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    raw = write_tiny(folder.with_name("raw"))
    write_params(folder / "params.yaml", {**params, "data.source": "local", "data.path": str(raw)})
    entry = {"published": 0.5, "measured_on": "test", "source": "a test"}
    entries = {name: {**entry, "overrides": overrides} for name, overrides in recipes.items()}
    YAML().dump(entries, folder / "experiments.yaml")
    return start_repository(folder, folder / "src")


def start_repository(folder: Path, source: Path) -> tuple[dict[str, str], Callable[..., str]]:
    """Commit what `folder` holds as a repository of git and DVC, whose commands find the package in `source`."""
    environment = {
        **os.environ,
        **{f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "PYTHONPATH": str(source),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for command in ("git init -q", "dvc init -q", "git add -A", "git commit -qm start"):
        run(*command.split())
    return environment, run
