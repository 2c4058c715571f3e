"""The studies' pictures, drawn from the committed records: `python benchmarks/study_pictures.py`.

Writes docs/pictures/study-*.png, each with those panels of which all curves have a history; of several seeds the mean
is drawn.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from records import RESULTS, read_history

from cifar10.app.experiments.recipes import load_experiments

FOLDER = Path("docs/pictures")
EXPERIMENTS = load_experiments(Path(__file__).parents[1] / "experiments.yaml")
ACCURACY, LOSS = "val_accuracy", "val_loss"
TITLES = {ACCURACY: "validation accuracy", LOSS: "validation loss", "train_loss": "training loss"}


@dataclass(frozen=True)
class Panel:
    """Curves of one quantity by epoch."""

    quantity: str
    """A column of the history."""
    title: str
    curves: dict[str, str]
    """Label -> folder in `benchmarks/results` with the history: a recipe's name, or a trial's `trials/NAME`."""
    published: float | None = None
    """The study's figure, drawn as a line across."""
    lowest: float | None = None
    """Where the scale begins; None: with the lowest value."""


RATES = ("0.1", "0.01", "0.001")
IMPROVED = "resnet18_improved"
HOW_STEPS_RAN = {  # at one rate the last of the hundred epochs are missing
    "0.1": ("divided at 30, 60, 90", f"{IMPROVED}_steps_lr0.1"),
    "0.01": ("divided at 30, 60, 90", f"{IMPROVED}_steps_lr0.01"),
    "0.001": ("divided at 30, 60, 90; 94 epochs", "trials/steps_lr0.001"),
}
PICTURES: dict[str, list[Panel]] = {
    "rates": [
        Panel(
            ACCURACY, "Improved ResNet18 at three fixed rates", {f"lr {rate}": f"{IMPROVED}_lr{rate}" for rate in RATES}
        )
    ],
    "steps": [
        Panel(ACCURACY, f"lr {rate}", {"fixed": f"{IMPROVED}_lr{rate}", label: folder})
        for rate, (label, folder) in HOW_STEPS_RAN.items()
    ],
    "max-pool": [
        Panel(
            ACCURACY,
            "lr 0.01, divided at 30, 60, 90",
            {
                "with max-pool": f"{IMPROVED}_steps_lr0.01",
                "with it, no decay": "trials/no_decay_steps_lr0.01",
                "no max-pool": "trials/no_pool_steps_lr0.01",
                "no max-pool, no decay": "trials/no_pool_no_decay_steps_lr0.01",
            },
            published=EXPERIMENTS[f"{IMPROVED}_steps_lr0.01"].published,
            lowest=0.6,
        ),
        Panel(
            ACCURACY,
            "lr 0.1, fixed",
            {
                "with max-pool": f"{IMPROVED}_lr0.1",
                "with it, no decay": "trials/no_decay_lr0.1",
                "no max-pool, no decay": "trials/no_pool_no_decay_lr0.1",
            },
            published=EXPERIMENTS[f"{IMPROVED}_lr0.1"].published,
            lowest=0.6,
        ),
        Panel(
            ACCURACY,
            "lr 0.001, fixed",
            {"with max-pool": f"{IMPROVED}_lr0.001", "no max-pool": "trials/no_pool_lr0.001"},
            published=EXPERIMENTS[f"{IMPROVED}_lr0.001"].published,
            lowest=0.6,
        ),
    ],
    "networks": [
        Panel(
            ACCURACY,
            "Three ResNet18 at lr 0.01",
            {
                "torchvision's": "resnet18_torchvision",
                "the study's own": "resnet18",
                "improved (3x3 stem)": f"{IMPROVED}_lr0.01",
            },
        )
    ],
    "dainet1-orders": [
        Panel(key, "DaiNet1, " + TITLES[key], {"dropout first": "dainet1", "after the pool": "dainet1_dropout_last"})
        for key in (ACCURACY, LOSS)
    ],
    "dainet7-batches": [
        Panel(key, "DaiNet7, " + TITLES[key], {"batches of 128": "dainet7", "of 1,024": "dainet7_batch1024"})
        for key in (ACCURACY, "train_loss", LOSS)
    ],
}


def main() -> None:
    """Draw what there are records for, and say what is missing of the rest."""
    for name, panels in PICTURES.items():
        folders = sorted({folder for panel in panels for folder in panel.curves.values()})
        found = {folder: read_history(RESULTS, folder) for folder in folders}
        histories = {folder: history for folder, history in found.items() if history is not None}
        if missing := [folder for folder in folders if folder not in histories]:
            print(f"{name}: no history of {', '.join(missing)}")
        if whole := [panel for panel in panels if {*panel.curves.values()} <= histories.keys()]:
            path = FOLDER / f"study-{name}.png"
            draw(whole, histories).savefig(path, dpi=110)
            print(path)


def draw(panels: list[Panel], histories: dict[str, pd.DataFrame]) -> Figure:
    """Panels side by side, on one scale where they show one quantity; a label has one colour in all of them."""
    figure = Figure(figsize=(max(7, 4.2 * len(panels)), 4), layout="constrained")
    colors = {
        label: f"C{place}" for place, label in enumerate(dict.fromkeys(label for p in panels for label in p.curves))
    }
    same = len({panel.quantity for panel in panels}) == 1
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=same)[0]
    for axis, panel in zip(axes, panels, strict=True):
        for label, folder in panel.curves.items():
            _draw_curve(axis, histories[folder], panel.quantity, label, colors[label])
        if panel.published:
            axis.axhline(
                panel.published,
                color="#555555",
                linewidth=1,
                linestyle=":",
                label=f"the study's best epoch: {panel.published}",
            )
        axis.set_ylim(bottom=panel.lowest)
        axis.set_title(panel.title, fontsize=11)
        axis.set(xlabel="epoch", ylabel=TITLES[panel.quantity] if axis is axes[0] or not same else "")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(color="#eeeeee")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=9, loc="lower right" if panel.quantity == ACCURACY else "best")
    return figure


def _draw_curve(axis: Axes, history: pd.DataFrame, quantity: str, label: str, color: str) -> None:
    mean = history.groupby("epoch")[quantity].mean()
    last = mean.iloc[-1]
    marker = "o" if len(mean) == 1 else ""
    axis.plot(mean.index, mean, color=color, linewidth=1.2, label=f"{label}: {last:.3f}", marker=marker)


if __name__ == "__main__":
    main()
