"""Several runs side by side: a table of what they reached, and their curves in one picture."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cifar10.app.columns import align
from cifar10.app.experiments.recipes import format_settings
from cifar10.app.experiments.revisions import read_revision
from cifar10.app.paths import HISTORY, METRICS, MODEL
from cifar10.core.config import PARAMS, InputError, parse_yaml
from cifar10.core.files import atomic_write
from cifar10.engine.provenance import read_log
from cifar10.evaluation import origin

FORMATS = (".png", ".svg", ".pdf")
PANELS = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "lr": "learning rate",
}


@dataclass(frozen=True)
class Run:
    """One experiment, branch, tag or commit. What is not known is empty."""

    name: str
    metrics: dict[str, dict[str, float]]  # part -> accuracy, macro_f1, images
    history: pd.DataFrame
    seconds: float | None  # of training, where this machine's logs know the model
    changed_params: dict[str, Any]  # against the last commit's


def read_run(name: str) -> Run:
    """A run by its name (`workspace`: the present one).

    Raises:
        InputError: there is none of that name, or it has no results.
    """
    texts = read_revision(name, required=(METRICS, HISTORY, PARAMS), optional=(origin.LOCK,))
    md5 = origin.out_md5(texts.get(origin.LOCK, ""), MODEL)
    log = read_log(md5) if md5 else None
    return Run(
        name=name,
        metrics=json.loads(texts[METRICS]),
        history=pd.read_csv(io.StringIO(texts[HISTORY])),
        seconds=log["seconds"] if log else None,
        changed_params=origin.changed_params(parse_yaml(texts[PARAMS], PARAMS)),
    )


def format_runs(runs: list[Run]) -> str:
    """The table for people, in the order given. Accuracy and macro F1 are those of validation."""
    table = [("run", "accuracy", "macro F1", "test accuracy", "seconds", "parameters")]
    for run in runs:
        validation, test = run.metrics.get("validation", {}), run.metrics.get("test", {})
        table.append(
            (
                run.name,
                _figure(validation.get("accuracy"), ".4f"),
                _figure(validation.get("macro_f1"), ".4f"),
                _figure(test.get("accuracy"), ".4f"),
                _figure(run.seconds, ",.0f"),
                format_settings(run.changed_params),
            )
        )
    return align(table)


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def write_plot(path: Path, runs: list[Run]) -> None:
    """Write a picture with the curves of all runs, one panel for each quantity; the ending of `path` is its format.

    Raises:
        InputError: another ending than png, svg or pdf.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    buffer = io.BytesIO()
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3}):
        plot_runs(runs).savefig(buffer, format=path.suffix[1:].lower(), dpi=144)
    atomic_write(path, buffer.getvalue())


def plot_runs(runs: list[Run]) -> Figure:
    """The same quantity of all runs in each panel, by epoch; a run that lacks it is left out there."""
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    colors = {run.name: color for run, color in zip(runs, mpl.colormaps["tab10"](range(len(runs))), strict=True)}
    for panel, (column, title) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        for run in runs:
            if column in run.history:
                panel.plot(run.history["epoch"], run.history[column], ".-", color=colors[run.name], label=run.name)
        panel.set(title=title, xlabel="epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    names = [f"{run.name} {format_settings(run.changed_params)}".rstrip() for run in runs]
    figure.legend(figure.axes[0].lines, names, loc="outside lower center", frameon=False)
    return figure
