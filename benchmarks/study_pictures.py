"""The studies' pictures, drawn from the committed records: `python benchmarks/study_pictures.py`.

Writes docs/pictures/study-*.png, each with those panels of which all recipes have a record with a history; of several
seeds the mean is drawn.
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from records import RESULTS, read_history

FOLDER = Path("docs/pictures")
ACCURACY, LOSS = "val_accuracy", "val_loss"
TITLES = {ACCURACY: "validation accuracy", LOSS: "validation loss", "train_loss": "training loss"}

# picture -> panels; a panel is the quantity, its title, and label -> recipe of its curves
Panel = tuple[str, str, dict[str, str]]
RATES = ("0.1", "0.01", "0.001")
PICTURES: dict[str, list[Panel]] = {
    "rates": [
        (ACCURACY, "Improved ResNet18 at three fixed rates", {f"lr {r}": f"resnet18_improved_lr{r}" for r in RATES})
    ],
    "steps": [
        (
            ACCURACY,
            f"lr {rate}",
            {
                "fixed": f"resnet18_improved_lr{rate}",
                "divided at 30, 60, 90": f"resnet18_improved_steps_lr{rate}",
            },
        )
        for rate in RATES
    ],
    "networks": [
        (
            ACCURACY,
            "Three ResNet18 at lr 0.01",
            {
                "torchvision's": "resnet18_torchvision",
                "the study's own": "resnet18",
                "improved (3x3 stem)": "resnet18_improved_lr0.01",
            },
        )
    ],
    "dainet1-orders": [
        (
            key,
            "DaiNet1, " + TITLES[key],
            {"dropout first": "dainet1", "after the pool": "dainet1_dropout_last"},
        )
        for key in (ACCURACY, LOSS)
    ],
    "dainet7-batches": [
        (key, "DaiNet7, " + TITLES[key], {"batches of 128": "dainet7", "of 1,024": "dainet7_batch1024"})
        for key in (ACCURACY, "train_loss", LOSS)
    ],
}


def main() -> None:
    """Draw what there are records for, and say what is missing of the rest."""
    for name, panels in PICTURES.items():
        recipes = sorted({recipe for _, _, curves in panels for recipe in curves.values()})
        found = {recipe: read_history(RESULTS, recipe) for recipe in recipes}
        histories = {recipe: history for recipe, history in found.items() if history is not None}
        if missing := [recipe for recipe in recipes if recipe not in histories]:
            print(f"{name}: no history of {', '.join(missing)}")
        if whole := [panel for panel in panels if {*panel[2].values()} <= histories.keys()]:
            path = FOLDER / f"study-{name}.png"
            draw(whole, histories).savefig(path, dpi=110)
            print(path)


def draw(panels: list[Panel], histories: dict[str, pd.DataFrame]) -> Figure:
    """Panels side by side on one scale where they show one quantity."""
    figure = Figure(figsize=(max(7, 4.2 * len(panels)), 4), layout="constrained")
    same = len({quantity for quantity, _, _ in panels}) == 1
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=same)[0]
    for panel, (quantity, title, curves) in zip(axes, panels, strict=True):
        for label, recipe in curves.items():
            _draw_curve(panel, histories[recipe], quantity, label)
        panel.set_title(title, fontsize=11)
        panel.set(xlabel="epoch", ylabel=TITLES[quantity] if panel is axes[0] or not same else "")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(color="#eeeeee")
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, fontsize=9)
    return figure


def _draw_curve(panel: Axes, history: pd.DataFrame, quantity: str, label: str) -> None:
    mean = history.groupby("epoch")[quantity].mean()
    last = mean.iloc[-1]
    panel.plot(mean.index, mean, linewidth=1.2, label=f"{label}: {last:.3f}", marker="o" if len(mean) == 1 else "")


if __name__ == "__main__":
    main()
