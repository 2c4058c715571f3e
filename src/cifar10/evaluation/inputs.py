"""What earlier stages left for people, read back for the report."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from cifar10.core.config import InputError


def read_card(path: Path) -> dict[str, Any]:
    """The data card, with its counts by class.

    Raises:
        InputError: it is damaged.
    """
    try:
        card = json.loads(path.read_bytes())
        _ = [dict(card[part]["per_class"]) for part in ("train", "validation")]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: no whole data card; `dvc repro prepare` makes it anew") from None
    return card


def read_history(path: Path) -> pd.DataFrame:
    """The training's figures, one row for each epoch; a column without any is left out.

    Raises:
        InputError: it is damaged.
    """
    try:
        table = pd.read_csv(path)
    except ValueError:  # pandas' own errors are some
        table = pd.DataFrame()
    if not {"epoch", "train_loss", "lr"} <= set(table.select_dtypes("number")) or table.empty:
        raise InputError(f"{path}: no whole history; `dvc repro train` makes it anew")
    return table.dropna(axis="columns", how="all")
