"""A search: Optuna proposes parameter sets and learns what they reached. The only module that imports it.

The study lies in a SQLite database, so a search that was killed goes on: what was under way is done again first.
"""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from cifar10.app.experiments.recipes import format_settings
from cifar10.app.tuning.runs import Failed, Job, Outcome, Pruned
from cifar10.app.tuning.space import Choices, Range, Space, rounded
from cifar10.core.config import InputError
from cifar10.engine.reproducibility import derive_seed
from cifar10.evaluation.origin import changed_keys

# Runs are compared at the same share of their training, in thousandths. With a rate that falls to zero, a high one
# looks worse than it is until late: nothing is broken off in the first half.
WHOLE, WARMUP = 1000, 500
TRIALS_BEFORE_PRUNING = 4
FAILURES_IN_A_ROW = 3

ACCURACY = "validation accuracy"
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def open_study(name: str, database: Path, plan: dict[str, Any], first: dict[str, Any] | None) -> Study:
    """The study of that name; `plan` is all that its results depend on. A new one begins with the parameters `first`.

    Call it while nobody else works on the study: trials under way are taken for broken off, and will be run again.

    Raises:
        InputError: the study was begun with another plan, whose results cannot be compared.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    database.parent.mkdir(parents=True, exist_ok=True)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=TRIALS_BEFORE_PRUNING, n_warmup_steps=WARMUP)
    study = optuna.create_study(
        storage=f"sqlite:///{database}", study_name=name, direction="maximize", pruner=pruner, load_if_exists=True
    )
    begun = study.user_attrs.get("plan")
    if begun is None:
        if first:
            study.enqueue_trial(first, skip_if_exists=True)
        study.set_user_attr("plan", plan)
    elif begun != plan:
        changed = {**changed_keys(begun, plan), **changed_keys(plan, begun)}
        raise InputError(f"study {name}: begun with another {next(iter(changed))}; --study NAME begins a new one")
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        planned = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        if planned.keys() == plan["space"].keys():  # else it was still being proposed, which comes out the same again
            study.enqueue_trial(planned)
    return study


def search(
    study: Study, space: Space, seed: int, trials: int, run: Callable[[list[Job]], list[Outcome]], at_once: int = 1
) -> None:
    """Go on until `trials` runs of the study have ended or were broken off for lack of promise.

    Raises:
        InputError: runs fail one after the other, for another reason than their parameters.
    """
    failures = 0
    while (left := trials - len(finished(study))) > 0:
        proposed = [propose(study, space, seed) for _ in range(min(left, at_once))]
        outcomes = run([_job(study, trial) for trial in proposed])
        for trial, outcome in zip(proposed, outcomes, strict=True):
            _tell(study, trial, outcome)
            failures = failures + 1 if isinstance(outcome, Failed) and not outcome.diverged else 0
            if failures == FAILURES_IN_A_ROW:
                assert isinstance(outcome, Failed)
                raise InputError(f"study {study.study_name}: {failures} runs in a row failed: {outcome.reason}")


def propose(study: Study, space: Space, seed: int) -> Trial:
    """The next trial. It depends on `seed` and on what the study knows, and not on how often it was broken off."""
    known = [trial for trial in study.get_trials(deepcopy=False) if _counts(trial)]
    study.sampler = optuna.samplers.TPESampler(seed=derive_seed(seed, len(known)) % 2**32)
    return study.ask({key: _distribution(part) for key, part in space.items()})


def _counts(trial: FrozenTrial) -> bool:
    return trial.state in (*FINISHED, TrialState.RUNNING) or "error" in trial.user_attrs


def _distribution(part: Range | Choices) -> BaseDistribution:
    if isinstance(part, Choices):
        return CategoricalDistribution(part.values)
    if part.whole:
        return IntDistribution(int(part.low), int(part.high), log=part.log)
    return FloatDistribution(part.low, part.high, log=part.log)


def _job(study: Study, trial: Trial) -> Job:
    told: list[int] = []

    def goes_on(epoch: int, epochs: int, accuracy: float) -> bool:
        step = round(WHOLE * epoch / epochs)
        if step not in told:
            trial.report(accuracy, step)
            told.append(step)
        return epoch == epochs or not trial.should_prune()

    settings = trial_settings(trial)
    print(f"trial {trial.number}  {format_settings(settings)}", flush=True)
    return Job(run_name(study.study_name, trial.number), settings, goes_on)


def run_name(study: str, number: int) -> str:
    """DVC's name of the experiment that a trial is."""
    return f"tune-{study}-{number}"


def _tell(study: Study, trial: Trial, outcome: Outcome) -> None:
    """Keep an outcome. A diverged run counts as a bad one, so that the search turns away from it."""
    if isinstance(outcome, Failed):
        trial.set_user_attr("error", outcome.reason)
        study.tell(trial, state=TrialState.PRUNED if outcome.diverged else TrialState.FAIL)
        text = f"failed: {outcome.reason}"
    elif isinstance(outcome, Pruned):
        study.tell(trial, state=TrialState.PRUNED)
        text = "broken off: below the median of the others"
    else:
        study.tell(trial, outcome)
        text = f"accuracy {outcome:.4f}, best {study.best_value:.4f} (trial {study.best_trial.number})"
    print(f"trial {trial.number}  {text}", flush=True)


def trial_settings(trial: Trial | FrozenTrial) -> dict[str, Any]:
    """Dotted key of params.yaml -> value that a trial runs with."""
    return {key: rounded(value) for key, value in trial.params.items()}


def finished(study: Study) -> list[FrozenTrial]:
    """The trials that count: those that ended, and those that were broken off or diverged."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def completed(study: Study) -> list[FrozenTrial]:
    """The trials that have an accuracy, best first."""
    return sorted(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)), key=accuracy_of, reverse=True)


def accuracy_of(trial: FrozenTrial) -> float:
    """Validation accuracy of a trial that has one, 0..1."""
    assert trial.value is not None
    return trial.value


def importance(study: Study) -> dict[str, float]:
    """Share of each parameter in the variance of accuracy, most important first, by fANOVA (Hutter et al. 2014).

    Empty where fewer than two trials have ended, or all with the same accuracy.
    """
    if len({accuracy_of(trial) for trial in completed(study)}) < 2:
        return {}
    return optuna.importance.get_param_importances(study, evaluator=_fanova())


def draw_pictures(study: Study) -> dict[str, bytes]:
    """Optuna's PNGs of a study that has importances: `importance`, and `slice`, the accuracies over each parameter."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt
    from optuna.visualization.matplotlib import plot_param_importances, plot_slice

    mpl.use("agg")  # no window, whatever machine it is
    pictures: dict[str, bytes] = {}
    with mpl.rc_context(), warnings.catch_warnings():  # Optuna changes the style, and calls its plots experimental
        warnings.simplefilter("ignore")
        importances = plot_param_importances(study, evaluator=_fanova(), target_name=ACCURACY)
        slices = plot_slice(study, target_name=ACCURACY)
        for name, axes in (("importance", importances), ("slice", slices)):
            buffer, figure = io.BytesIO(), np.atleast_1d(np.asarray(axes, dtype=object))[0].figure
            figure.savefig(buffer, format="png", dpi=144, bbox_inches="tight")
            plt.close(figure)
            pictures[name] = buffer.getvalue()
    return pictures


def _fanova() -> optuna.importance.FanovaImportanceEvaluator:
    return optuna.importance.FanovaImportanceEvaluator(seed=0)


def state_of(trial: FrozenTrial) -> str:
    """How a trial ended, in a word."""
    if "error" in trial.user_attrs:
        return "diverged" if trial.state == TrialState.PRUNED else "failed"
    return {TrialState.COMPLETE: "whole", TrialState.PRUNED: "broken off"}.get(trial.state, "interrupted")
