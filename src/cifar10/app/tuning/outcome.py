"""What a search came to: the table of trials, which parameters mattered, and the best set as a recipe by name."""

from pathlib import Path
from typing import Any

import pandas as pd

from cifar10.app.columns import align
from cifar10.app.experiments.recipes import Experiment, format_settings
from cifar10.app.tuning.study import (
    Study,
    accuracy_of,
    completed,
    draw_pictures,
    finished,
    importance,
    state_of,
    trial_settings,
)
from cifar10.core.files import atomic_write
from cifar10.core.tables import write_csv


def format_trials(study: Study) -> str:
    """The table for people: trials with an accuracy, best first, then the others in turn."""
    best = completed(study)
    others = [trial for trial in study.get_trials(deepcopy=False) if trial not in best and trial.datetime_start]
    table = [("trial", "accuracy", "seconds", "ended", "parameters")]
    for trial in [*best, *others]:
        accuracy = f"{accuracy_of(trial):.4f}" if trial in best else "-"
        ended = state_of(trial)
        seconds = f"{trial.duration.total_seconds():,.0f}" if trial.duration and ended != "interrupted" else "-"
        table.append((str(trial.number), accuracy, seconds, ended, format_settings(trial_settings(trial))))
    return align(table)


def best_experiment(study: Study, base: dict[str, Any]) -> Experiment:
    """The best set as an entry of experiments.yaml, with the overrides `base` that all trials shared."""
    best = completed(study)[0]
    count = len(finished(study))
    return Experiment(
        published=None,
        measured_on="validation",
        source=f"{source_of(study.study_name)}, best of {count} trials, validation accuracy {accuracy_of(best):.4f}",
        overrides={**base, **trial_settings(best)},
    )


def source_of(study: str) -> str:
    """How the source of an entry begins that a study has written, and may write anew."""
    return f"study {study} of `cifar10 tune`"


def write_importance(study: Study, folder: Path) -> str:
    """Write `importance.csv`, and Optuna's pictures of it and of all trials, into `folder`; tell the shares and where.

    Where nothing can be said of importance yet, that is all that is told.
    """
    shares = importance(study)
    if not shares:
        return "importance: told from two trials on that differ in accuracy"
    write_csv(folder / "importance.csv", pd.DataFrame({"parameter": list(shares), "importance": list(shares.values())}))
    for name, picture in draw_pictures(study).items():
        atomic_write(folder / f"{name}.png", picture)
    told = ", ".join(f"{key} {share:.2f}" for key, share in shares.items())
    return f"importance: {told}; {folder}/importance.csv, importance.png, slice.png"
