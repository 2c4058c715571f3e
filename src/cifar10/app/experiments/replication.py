"""Experiments of experiments.yaml through DVC: run or queued by name, and what they reached read back."""

import json
import subprocess
from statistics import mean
from typing import Any

from cifar10.app.columns import align
from cifar10.app.experiments.recipes import Experiment, with_overrides, yaml_scalar
from cifar10.app.experiments.revisions import read_revision
from cifar10.app.health.repository import runs_apart_fault
from cifar10.app.paths import METRICS
from cifar10.core.config import PARAMS, InputError, read_params
from cifar10.evaluation.origin import cache_dir


def run_name(name: str, seed: int) -> str:
    """DVC's name of one run of an experiment."""
    return f"{name}-seed{seed}"


def dvc_command(name: str, experiment: Experiment, seed: int, queue: bool) -> list[str]:
    """The `dvc exp run` that does one run of an experiment."""
    return exp_run(run_name(name, seed), {**experiment.overrides, "seed": seed}, queue)


def exp_run(name: str, settings: dict[str, Any], queue: bool) -> list[str]:
    """The `dvc exp run` with keys of params.yaml replaced; a run of that name is replaced.

    `--temp`, or the queue, runs in a folder of its own: in the workspace a recipe's keys would stay in params.yaml and
    leak into the next one.

    Raises:
        InputError: params.yaml has no key of an override, or DVC cannot run in a folder of its own here.
    """
    if fault := runs_apart_fault(cache_dir):
        raise InputError(fault)
    with_overrides(read_params(PARAMS), settings)
    options = [part for key, value in settings.items() for part in ("-S", f"{key}={yaml_scalar(value)}")]
    where = "--queue" if queue else "--temp"
    return ["dvc", "exp", "run", where, "--force", "--name", name, *options]


def replicate(experiments: dict[str, Experiment], seeds: int, queue: bool) -> str:
    """Run or queue every experiment with every seed; what DVC prints goes through.

    Returns:
        A table of published and measured accuracy, or what to do with the queue.
    """
    runs: list[str] = []
    for name, experiment in experiments.items():
        for seed in range(seeds):
            if subprocess.run(dvc_command(name, experiment, seed, queue), check=False).returncode:
                raise InputError(f"{run_name(name, seed)}: `dvc exp run` failed; what it printed above says why")
            runs.append(run_name(name, seed))
    if queue:
        return "queued; `dvc queue start -j 1` runs them, `dvc queue status` tells how far they are"
    return compare(experiments, seeds, {run: read_accuracies(run) for run in runs})


def compare(experiments: dict[str, Experiment], seeds: int, metrics: dict[str, dict[str, float]]) -> str:
    """Published accuracy beside the mean over the runs: run name -> part -> accuracy."""
    table = [("experiment", "published", "validation", "test", "runs")]
    for name, experiment in experiments.items():
        runs = [metrics[run_name(name, seed)] for seed in range(seeds) if run_name(name, seed) in metrics]
        validation, test = (_mean([run[part] for run in runs if part in run]) for part in ("validation", "test"))
        published = f"{experiment.published:.4f}" if experiment.published else ""
        table.append((name, published, validation, test, str(len(runs))))
    return align(table)


def _mean(values: list[float]) -> str:
    return f"{mean(values):.4f}" if values else ""


def read_accuracies(run: str) -> dict[str, float]:
    """Part (validation, test) -> accuracy of a DVC experiment, 0..1.

    Raises:
        InputError: there is no such experiment, or it has no results.
    """
    metrics = json.loads(read_revision(run, (METRICS,), ())[METRICS])
    return {part: values["accuracy"] for part, values in metrics.items()}
