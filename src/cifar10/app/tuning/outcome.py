"""What a search came to: the table of trials, which parameters mattered, and the best set as a recipe by name."""

import io
import math
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from cifar10.app.columns import align
from cifar10.app.experiments.recipes import Experiment, format_settings
from cifar10.app.tuning.space import Choices, Range, Space
from cifar10.app.tuning.study import Study, accuracy_of, completed, finished, importance, state_of, trial_settings
from cifar10.core.files import atomic_write
from cifar10.core.tables import write_csv

COLUMNS = 3


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


def write_importance(study: Study, space: Space, folder: Path) -> str:
    """Write `importance.csv` and `importance.png` into `folder`, and tell the shares and where they are.

    Where nothing can be said of importance yet, that is all that is told.
    """
    shares = importance(study)
    if not shares:
        return "importance: told from two trials on that differ in accuracy"
    table, picture = folder / "importance.csv", folder / "importance.png"
    write_csv(table, pd.DataFrame({"parameter": list(shares), "importance": list(shares.values())}))
    buffer = io.BytesIO()
    style: dict[Any, Any] = {
        "text.parse_math": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.alpha": 0.3,
    }
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        plot_importance(study, space, shares).savefig(buffer, format="png", dpi=144)
    atomic_write(picture, buffer.getvalue())
    told = ", ".join(f"{key} {share:.2f}" for key, share in shares.items())
    return f"importance: {told}; {table}, {picture}"


def plot_importance(study: Study, space: Space, shares: dict[str, float]) -> Figure:
    """The share of each parameter as a bar, and accuracy over the values of each, the best trial marked."""
    columns = min(COLUMNS, 1 + len(shares))
    rows = math.ceil((1 + len(shares)) / columns)
    figure = Figure(figsize=(3.6 * columns, 3.0 * rows), layout="constrained")
    bars, *panels = figure.subplots(rows, columns, squeeze=False).flat
    bars.barh(list(shares), list(shares.values()), color="#1f77b4", height=0.5)
    bars.set(title="importance", xlabel="share of the variance of accuracy", xlim=(0, 1))
    bars.set_ylim(max(len(shares), 3) - 0.5, -0.5)  # the most important on top; a single bar does not fill the panel
    for panel, key in zip(panels, shares, strict=False):
        _plot_values(panel, study, key, space[key])
    for panel in panels[len(shares) :]:
        panel.remove()
    return figure


def _plot_values(panel: Axes, study: Study, key: str, part: Range | Choices) -> None:
    """Accuracy over the values of one parameter; choices stand side by side in the order given."""
    trials = completed(study)
    values = [trial.params[key] for trial in trials]
    if isinstance(part, Choices):
        values = [part.values.index(value) for value in values]
    accuracies = [accuracy_of(trial) for trial in trials]
    panel.plot(values, accuracies, "o", color="#1f77b4", alpha=0.6)
    panel.plot(values[:1], accuracies[:1], "o", color="#d62728")
    panel.set_title(f"best: {trial_settings(trials[0])[key]}", color="#d62728")
    panel.set(xlabel=key, ylabel="validation accuracy")
    panel.grid(visible=True)
    if isinstance(part, Choices):
        panel.set_xticks(range(len(part.values)), [str(value) for value in part.values])
        panel.set_xlim(-0.5, len(part.values) - 0.5)
        return
    panel.set_xlim(part.low, part.high)
    if part.log:
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter("{x:g}")  # matplotlib's own writes powers of ten as mathematics
        panel.xaxis.set_minor_formatter(LogFormatter())
