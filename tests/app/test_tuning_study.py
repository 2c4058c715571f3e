import multiprocessing
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution

from cifar10.app.tuning.outcome import best_experiment, format_trials, write_importance
from cifar10.app.tuning.runs import Failed, Job, Outcome, Pruned
from cifar10.app.tuning.space import Choices, Range
from cifar10.app.tuning.study import Study, completed, finished, importance, open_study, search, trial_settings
from cifar10.core.config import InputError

SPACE = {"lr": Range(0.001, 1.0, log=True, whole=False), "optimizer.name": Choices(("sgd", "adam"))}
PLAN = {"space": {"lr": "0.001..1:log", "optimizer.name": "sgd,adam"}, "recipe": {"epochs": 4}}
FIRST = {"lr": 0.02, "optimizer.name": "sgd"}
EPOCHS = 4


def accuracy(settings: dict[str, Any]) -> float:
    """Best at a rate of 0.1; the optimizer matters little."""
    return 0.9 - abs(settings["lr"] - 0.1) / 2 + 0.01 * (settings["optimizer.name"] == "sgd")


def train(job: Job) -> Outcome:
    """In place of a run: accuracy rises evenly to its end."""
    for epoch in range(1, EPOCHS + 1):
        if not job.goes_on(epoch, EPOCHS, accuracy(job.settings) * epoch / EPOCHS):
            return Pruned()
    return accuracy(job.settings)


def run(jobs: list[Job]) -> list[Outcome]:
    return [train(job) for job in jobs]


def opened(folder: Path, plan: dict[str, Any] = PLAN) -> Study:
    return open_study("small", folder / "logs/tune.db", plan, FIRST)


def tried(study: Study) -> list[dict[str, Any]]:
    return [trial_settings(trial) for trial in finished(study)]


def interrupted_at(call: int, interrupt: Callable[[], None]) -> Callable[[list[Job]], list[Outcome]]:
    """A runner during whose n-th call, in the middle of a training, something happens."""
    calls: list[str] = []

    def run_until(jobs: list[Job]) -> list[Outcome]:
        calls.append(jobs[0].name)
        if len(calls) == call:
            jobs[0].goes_on(1, EPOCHS, 0.1)
            interrupt()
        return run(jobs)

    return run_until


def stop() -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What seven trials of a search are that nobody disturbs."""
    study = opened(tmp_path_factory.mktemp("undisturbed"))
    search(study, SPACE, 0, 7, run)
    return tried(study)


def test_the_same_seed_proposes_the_same_and_begins_with_the_recipe(tmp_path: Path, undisturbed):
    study = opened(tmp_path)
    search(study, SPACE, 0, 3, run)
    assert tried(study) == undisturbed[:3]
    assert undisturbed[0] == FIRST
    search(opened(tmp_path), SPACE, 0, 7, run)  # a higher number goes on
    assert tried(study) == undisturbed
    other = open_study("other", tmp_path / "tune.db", PLAN, None)
    search(other, SPACE, 1, 1, run)
    assert tried(other)[0] not in undisturbed


def test_an_interrupted_trial_is_run_again_and_counts_once(tmp_path: Path, undisturbed):
    with pytest.raises(KeyboardInterrupt):
        search(opened(tmp_path), SPACE, 0, 7, interrupted_at(3, stop))
    study = opened(tmp_path)
    assert len(finished(study)) == 2
    assert [line.split()[3] for line in format_trials(study).splitlines()[1:]] == ["whole", "whole", "interrupted"]
    search(study, SPACE, 0, 7, run)
    assert tried(study) == undisturbed
    assert len(study.trials) == 8


@pytest.mark.parametrize("number", [0, 3])
def test_a_search_that_was_killed_while_it_proposed_goes_on(tmp_path: Path, undisturbed, number):
    study = opened(tmp_path)
    search(study, SPACE, 0, number, run)
    study.ask({"lr": FloatDistribution(0.001, 1.0, log=True)})  # of two parameters
    study = opened(tmp_path)
    search(study, SPACE, 0, 7, run)
    assert tried(study) == undisturbed


def _search_and_hang(folder: Path) -> None:
    search(opened(folder), SPACE, 0, 7, interrupted_at(4, lambda: time.sleep(600)))


def test_a_killed_search_goes_on(tmp_path: Path, undisturbed):
    process = multiprocessing.get_context("spawn").Process(target=_search_and_hang, args=(tmp_path,))
    process.start()
    output = tmp_path / "logs/tune.db"
    while process.is_alive() and not (output.exists() and _running(output)):
        time.sleep(0.1)
    process.kill()
    process.join()
    study = opened(tmp_path)
    assert len(finished(study)) == 3
    search(study, SPACE, 0, 7, run)
    assert tried(study) == undisturbed


def _running(database: Path) -> bool:
    """Whether the fourth trial is under way."""
    with closing(sqlite3.connect(database)) as connection:
        try:
            rows = connection.execute("select number from trials where state = 'RUNNING' and number = 3").fetchall()
        except sqlite3.OperationalError:  # no table yet
            rows = []
    return bool(rows)


def test_a_hopeless_run_is_broken_off_in_its_second_half_only(tmp_path: Path):
    study = opened(tmp_path)
    search(study, SPACE, 0, 4, run)
    told: list[int] = []

    def hopeless(jobs: list[Job]) -> list[Outcome]:
        for epoch in range(1, EPOCHS + 1):
            told.append(epoch)
            if not jobs[0].goes_on(epoch, EPOCHS, 0.01):
                return [Pruned()]
        return [0.01]

    search(study, SPACE, 0, 5, hopeless)
    assert told == [1, 2]
    assert len(completed(study)) == 4
    assert len(finished(study)) == 5
    assert format_trials(study).splitlines()[-1].split()[1:4:2] == ["-", "broken"]


def test_the_members_of_an_ensemble_may_tell_their_epochs_again(tmp_path: Path):
    search(opened(tmp_path), SPACE, 0, 1, lambda jobs: [train(jobs[0]), train(jobs[0])][1:])


def test_a_diverged_run_counts_and_a_failed_one_does_not(tmp_path: Path, capsys):
    study = opened(tmp_path)
    outcomes = iter([Failed("training diverged in epoch 2"), Failed("no space left"), 0.5, 0.6])
    search(study, SPACE, 0, 3, lambda jobs: [next(outcomes)])
    assert [trial.number for trial in finished(study)] == [0, 2, 3]
    assert "trial 1  failed: no space left\n" in capsys.readouterr().out
    ends = {line.split()[0]: line.split()[3] for line in format_trials(study).splitlines()[1:]}
    assert ends == {"3": "whole", "2": "whole", "0": "diverged", "1": "failed"}
    assert len({str(trial.params) for trial in study.trials}) == 4


def test_three_failures_in_a_row_end_the_search(tmp_path: Path):
    def fail(jobs: list[Job]) -> list[Outcome]:
        return [Failed("no space left") for _ in jobs]

    study = opened(tmp_path)
    with pytest.raises(InputError, match=r"^study small: 3 runs in a row failed: no space left$"):
        search(study, SPACE, 0, 9, fail)
    assert len(study.trials) == 3


def test_runs_side_by_side_differ(tmp_path: Path):
    batches: list[list[str]] = []

    def in_batches(jobs: list[Job]) -> list[Outcome]:
        batches.append([job.name for job in jobs])
        return run(jobs)

    study = opened(tmp_path)
    search(study, SPACE, 0, 5, in_batches, at_once=2)
    assert batches == [["tune-small-0", "tune-small-1"], ["tune-small-2", "tune-small-3"], ["tune-small-4"]]
    assert len({str(settings) for settings in tried(study)}) == 5


def test_a_study_of_another_recipe_is_refused(tmp_path: Path):
    opened(tmp_path)
    other = {**PLAN, "recipe": {"epochs": 8}}
    with pytest.raises(InputError, match=r"^study small: begun with another recipe.epochs; --study NAME begins a new"):
        opened(tmp_path, other)
    fewer = {"space": {}, "recipe": {"epochs": 4}}
    with pytest.raises(InputError, match=r"begun with another space.lr"):
        opened(tmp_path, fewer)


def test_importance_and_the_best_set(tmp_path: Path):
    study = opened(tmp_path)
    assert importance(study) == {}
    assert "from two trials on" in write_importance(study, tmp_path)
    search(study, SPACE, 0, 12, run)
    shares = importance(study)
    assert list(shares) == ["lr", "optimizer.name"]
    assert shares["lr"] > shares["optimizer.name"]
    assert sum(shares.values()) == pytest.approx(1)
    assert write_importance(study, tmp_path / "out").startswith(f"importance: lr {shares['lr']:.2f}, optimizer.")
    assert (tmp_path / "out/importance.csv").read_text().splitlines()[0] == "parameter,importance"
    for name in ("importance.png", "slice.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    best = best_experiment(study, {"epochs": 2, "lr": 9.0})
    top = max(tried(study), key=accuracy)
    assert best.overrides == {"epochs": 2, **top}
    assert best.source.endswith(
        f"study small of `cifar10 tune`, best of 12 trials, validation accuracy {accuracy(top):.4f}"
    )
    assert (best.published, best.measured_on) == (None, "validation")
