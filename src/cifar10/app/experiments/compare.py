"""Several runs side by side: a table of what they reached, and their curves in one picture."""

import io
import json
import textwrap
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
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
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a run's name and settings are drawn as they are
    "axes.formatter.useoffset": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
# Ten colours, then the same ones dashed, and so on: forty runs without two alike.
COLORS = mpl.colormaps["tab10"].colors  # pyright: ignore[reportAttributeAccessIssue]
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
WIDTH, STEP, MAX_EXTRA_WIDTH = 1.4, 2.2, 10.0  # points
LEGEND_CHARACTERS = 110  # on a line
MAX_SETTINGS = 6
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
    params: dict[str, Any] = field(default_factory=dict)  # all, by dotted key


def read_run(name: str) -> Run:
    """A run by its name (`workspace`: the present one).

    Raises:
        InputError: there is none of that name, or it has no results.
    """
    texts = read_revision(name, required=(METRICS, HISTORY, PARAMS), optional=(origin.LOCK,))
    md5 = origin.out_md5(texts.get(origin.LOCK, ""), MODEL)
    log = read_log(md5) if md5 else None
    params = parse_yaml(texts[PARAMS], PARAMS)
    return Run(
        name=name,
        metrics=json.loads(texts[METRICS]),
        history=pd.read_csv(io.StringIO(texts[HISTORY])).dropna(axis="columns", how="all"),
        seconds=log["seconds"] if log else None,
        changed_params=origin.changed_params(params),
        params=origin.changed_keys({}, params),
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
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        plot_runs(runs).savefig(buffer, format=path.suffix[1:].lower(), dpi=144)
    atomic_write(path, buffer.getvalue())


def plot_runs(runs: list[Run]) -> Figure:
    """The same quantity of all runs in each panel, by epoch; a run that lacks it is left out there.

    Where lines coincide, the lower ones are thicker, so that all of their colours show.
    """
    names = legend_names(runs)
    figure = Figure(figsize=(9, 6 + 0.19 * sum(name.count("\n") + 1 for name in names)), layout="constrained")
    styles = [
        {"color": COLORS[k % len(COLORS)], "linestyle": DASHES[k // len(COLORS) % len(DASHES)]}
        for k in range(len(runs))
    ]
    for panel, (column, title) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        curves = [run.history.set_index("epoch")[column] if column in run.history else None for run in runs]
        for k, (curve, style) in enumerate(zip(curves, styles, strict=True)):
            if curve is not None:
                above = sum(other is not None and _coincide(curve, other) for other in curves[k + 1 :])
                marker = "o" if len(curve) == 1 else None  # a single epoch makes no line
                size = WIDTH + above * min(STEP, MAX_EXTRA_WIDTH / len(runs))
                panel.plot(curve.index, curve, marker=marker, linewidth=size, markersize=4 + size, **style)
        panel.set(title=title, xlabel="epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        if all(len(run.history) <= 1 for run in runs):
            panel.set(xlim=(0, 2), xticks=[1])
    handles = [Line2D([], [], linewidth=2, **style) for style in styles]
    figure.legend(handles, names, loc="outside lower left", frameon=False, fontsize=9)
    return figure


def _coincide(curve: pd.Series, other: pd.Series) -> bool:
    """Whether two curves lie on each other between two epochs, or have but one and are equal there."""
    both = pd.concat([curve, other], axis="columns", join="inner").to_numpy(float)
    equal = np.isclose(both[:, 0], both[:, 1])
    return bool((equal[1:] & equal[:-1]).any() or (len(equal) == 1 and equal[0]))


def legend_names(runs: list[Run]) -> list[str]:
    """The name of each run, and its value of up to `MAX_SETTINGS` parameters in which the runs differ."""
    keys = dict.fromkeys(key for run in runs for key in run.params)
    differing = [key for key in keys if any(run.params.get(key) != runs[0].params.get(key) for run in runs)]
    names: list[str] = []
    for run in runs:
        settings = {key: run.params[key] for key in differing[:MAX_SETTINGS] if key in run.params}
        more = f" and {len(differing) - MAX_SETTINGS} more" if len(differing) > MAX_SETTINGS else ""
        text = f"{run.name}  {format_settings(settings)}{more}".rstrip()
        names.append(
            "\n".join(textwrap.wrap(text, LEGEND_CHARACTERS, subsequent_indent="    ", break_on_hyphens=False))
        )
    return names
