"""experiments.yaml: named recipes, each a set of overrides of params.yaml with the accuracy that was published."""

import copy
import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from cifar10.config import PARAMS, Config, InputError, parse_yaml, read_yaml

EXPERIMENTS = Path("experiments.yaml")


class Experiment(Config):
    """One entry of experiments.yaml."""

    published: Annotated[float, Field(gt=0, lt=1)] | None
    """Accuracy that the source reports, 0..1. null: it reports none."""
    measured_on: Literal["test", "validation", "unknown"]
    """The images that the published accuracy is of."""
    source: str
    """Where the recipe is from, and what was chosen where it is silent."""
    overrides: dict[str, Any]
    """Dotted key of params.yaml -> the recipe's value."""


def load_experiments(path: Path = EXPERIMENTS) -> dict[str, Experiment]:
    """All entries by name, in the file's order.

    Raises:
        InputError: the file is missing or not YAML, or an entry has an unknown, missing or unusable key.
    """
    entries = read_yaml(path, hint="run from the folder that holds it")
    experiments: dict[str, Experiment] = {}
    for name, entry in entries.items():
        try:
            experiments[name] = Experiment.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in (name, *first["loc"]))
            raise InputError(f"{path}: {key}: {first['msg'].lower()}") from None
    return experiments


def find_experiment(name: str, experiments: dict[str, Experiment], path: Path = EXPERIMENTS) -> Experiment:
    """The entry of that name; an unknown one is an InputError with the nearest names."""
    if name not in experiments:
        close = difflib.get_close_matches(name, experiments, n=3) or list(experiments)
        raise InputError(f"{path}: no experiment {name!r}; there are {', '.join(close)}")
    return experiments[name]


def parse_settings(texts: list[str]) -> dict[str, Any]:
    """`lr=0.1` and the like of a command line -> key and value, read as params.yaml is."""
    pairs = (text.partition("=") for text in texts)
    return {key: parse_yaml(f"value: {value}", PARAMS)["value"] for key, _, value in pairs}


def with_overrides(params: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """A copy of `params` with the values at dotted keys replaced; an unknown key is an InputError."""
    result = copy.deepcopy(params)
    for key, value in overrides.items():
        *sections, last = key.split(".")
        node: Any = result
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node:
            raise InputError(f"{key}: params.yaml has no such key")
        node[last] = value
    return result
