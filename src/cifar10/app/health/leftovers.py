"""States of interrupted trainings: what goes on from each, and which are litter."""

import shutil
import time
from pathlib import Path

from cifar10.engine.provenance import code_digest
from cifar10.evaluation.origin import commit, commit_with

RESUME = Path("logs/resume")
OLD_DAYS = 7
SAFE_DAYS = 1


def check_leftovers() -> list[str]:
    """A line for each state, with what to do about it; those whose code is lost are removed.

    A state goes on only with the code that wrote it. That is lost where it is neither the present code nor the code of
    any commit that git remembers: of all branches, experiments, stashes and reflogs. Even then a state of the last day
    stays: the editor may still undo, and a run in DVC's queue has its code in a folder of its own, and saves often.
    """
    present = code_digest("train")
    return [_check(folder, present) for folder in sorted(RESUME.glob("*/"))]


def size_mb(path: Path) -> float:
    """Of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def _check(folder: Path, present: str | None) -> str:
    from cifar10.training.resume import code_of  # here: the other findings should not wait for torch

    days = (time.time() - folder.stat().st_mtime) / 86400
    what = f"{folder}: state of a training that broke off, {size_mb(folder):,.0f} MB, {days:.0f} days old"
    code = code_of(folder)
    if code and code != present and commit():  # without git nobody can say what is lost
        known = commit_with("train", code, everywhere=True)
        if not known and days > SAFE_DAYS:
            shutil.rmtree(folder)
            return f"{what}; removed: its code is neither here nor in git"
        where = f"of commit {known}" if known else "that wrote it, which is not here and not in git,"
        goes_on = f"the same parameters, data and the code {where} go on from it"
    else:
        goes_on = "the same parameters, data and code go on from it"
    return f"{what}; `rm -r {folder}`" if days > OLD_DAYS else f"{what}; {goes_on}"
