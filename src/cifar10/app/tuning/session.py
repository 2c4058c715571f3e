"""One call of `cifar10 tune`: all is checked first, then it searches, and however it ends it tells what came out."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from cifar10.app.experiments.recipes import (
    EXPERIMENTS,
    find_experiment,
    load_experiments,
    with_overrides,
    write_experiment,
)
from cifar10.app.tuning.outcome import best_experiment, format_trials, source_of, write_importance
from cifar10.app.tuning.runs import Job, Outcome, run_in_queue, run_in_turn
from cifar10.app.tuning.space import Space, parse_space, point_of
from cifar10.app.tuning.study import Study, completed, open_study, search
from cifar10.core.config import PARAMS, InputError, read_params
from cifar10.core.locks import LOCKS, lock

DATABASE = Path("logs/tune.db")
FOLDER = Path("logs/tune")


@dataclass(frozen=True)
class Request:
    """What is asked for on the command line."""

    space: list[str]  # see `space.parse_space`
    experiment: str | None  # the recipe to start from; None: params.yaml as it is
    study: str
    entry: str  # name of the best set in experiments.yaml
    trials: int
    queue: int | None  # how many at a time through DVC's queue; None: in turn, without it
    seed: int  # of the proposals


def tune(request: Request) -> str:
    """Search, or go on with a search, until the study has as many trials as asked for.

    Returns:
        The table of trials, importance, and where the best set is. If the search is broken off, that is printed.

    Raises:
        InputError: a name or a part of the space will not do, the study is at work already or was begun with
            another recipe, or runs fail one after the other.
    """
    base = _check_names(request)
    recipe = with_overrides(read_params(PARAMS), base)
    space = parse_space(request.space, recipe)
    if not recipe["data"]["val_fraction"]:
        raise InputError(f"{PARAMS}: data.val_fraction: a search needs validation images, and it is 0")
    folder = FOLDER / request.study

    with only_one(folder) as lock:
        study = open_study(request.study, DATABASE, _plan(request, recipe, space), point_of(recipe, space))

        def run(jobs: list[Job]) -> list[Outcome]:
            jobs = [replace(job, settings={**base, **job.settings}) for job in jobs]
            if request.queue:
                return run_in_queue(jobs, folder, lock)
            return [run_in_turn(job, folder, lock) for job in jobs]

        try:
            search(study, space, request.seed, request.trials, run, request.queue or 1)
        except (KeyboardInterrupt, InputError):
            print(_conclude(request.entry, study, base, folder))
            raise
        return _conclude(request.entry, study, base, folder)


def _check_names(request: Request) -> dict[str, Any]:
    """The overrides that the search starts from, once all names will do."""
    known = load_experiments()
    for option, name in (("--study", request.study), ("--name", request.entry)):
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise InputError(f"{option} {name}: expected letters, digits, dots, dashes and underscores")
    entry = known.get(request.entry)
    if entry and not entry.source.startswith(source_of(request.study)):
        raise InputError(f"{EXPERIMENTS}: {request.entry} is there already, of another origin; choose another --name")
    return find_experiment(request.experiment, known).overrides if request.experiment else {}


def _plan(request: Request, recipe: dict[str, Any], space: Space) -> dict[str, Any]:
    """All that accuracies depend on, so that a study compares like with like. Where it runs is no part of it."""
    fixed = with_overrides(recipe, dict.fromkeys(space))
    del fixed["runtime"]
    return {"space": dict(text.split("=", 1) for text in request.space), "recipe": fixed}


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Hold the lock of a study's folder; yields its file descriptor, and a process that inherits it holds it too.

    Raises:
        InputError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    try:
        if not lock_descriptor(descriptor, blocking=False):
            raise InputError(f"{folder}: a search is at work there, or the run of a killed one still ends")
        yield descriptor
    finally:
        os.close(descriptor)


def _conclude(entry: str, study: Study, base: dict[str, Any], folder: Path) -> str:
    """Write what came out so far, and tell it."""
    table = format_trials(study)
    if not completed(study):
        return f"\n{table}\n\nno trial has an accuracy yet"
    importance = write_importance(study, folder)
    with lock(LOCKS / EXPERIMENTS.name):  # other searches end with an entry of theirs
        write_experiment(entry, best_experiment(study, base))
    return f"\n{table}\n\n{importance}\nbest: {entry} in {EXPERIMENTS}; `cifar10 replicate {entry}` runs it"
