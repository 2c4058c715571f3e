"""experiments.yaml: named recipes, each a set of overrides of params.yaml with the accuracy that was published."""

import copy
import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from cifar10.core.config import PARAMS, Config, InputError, parse_yaml, read_yaml, validate
from cifar10.core.files import atomic_path

EXPERIMENTS = Path("experiments.yaml")


class Experiment(Config):
    """One entry of experiments.yaml."""

    published: Annotated[float, Field(gt=0, lt=1)] | None
    """Accuracy that the source reports, 0..1. null: it reports none."""
    measured_on: Literal["test", "validation", "unknown"]
    """The images that the published accuracy is of."""
    epoch: Literal["last", "best"] = "last"
    """The epoch that the published accuracy is of."""
    peer: str | None = None
    """What stands beside the result in the README's table. null: the published accuracy."""
    source: str
    """Where the recipe is from, and what was chosen where it is silent."""
    overrides: dict[str, Any]
    """Dotted key of params.yaml -> the recipe's value."""


def load_experiments(path: Path = EXPERIMENTS) -> dict[str, Experiment]:
    """All entries by name, in the file's order.

    Raises:
        InputError: the file is missing or not YAML, or an entry has an unknown, missing or unusable key.
    """
    entries = read_yaml(path, "run from the folder that holds it")
    return {name: validate(Experiment, entry, str(path), name) for name, entry in entries.items()}


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


def format_settings(settings: Mapping[str, Any]) -> str:
    """What `parse_settings` reads: `lr=0.02 model.stem_max_pool=false`."""
    return " ".join(f"{key}={yaml_scalar(value)}" for key, value in settings.items())


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


def write_experiment(name: str, experiment: Experiment, path: Path = EXPERIMENTS) -> None:
    """Put an entry at the end of the file, or in the place of the one of that name; the rest stays as it is."""
    lines = [f"  {key}: {yaml_scalar(getattr(experiment, key))}" for key in ("published", "measured_on", "source")]
    lines += ["  overrides:", *(f"    {key}: {yaml_scalar(value)}" for key, value in experiment.overrides.items())]
    entry = "\n".join([f"{name}:", *lines, ""])
    text = path.read_text(encoding="utf-8").rstrip() + "\n"
    present = re.compile(rf"^{re.escape(name)}:.*\n(?: .*\n)*", re.MULTILINE)
    text = present.sub(lambda _: entry, text) if present.search(text) else f"{text}\n{entry}"
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
        load_experiments(partial)


def yaml_scalar(value: Any) -> str:
    """A value as it stands in a YAML file and after `-S key=`: a word without quotes where it can."""
    try:
        if isinstance(value, str) and parse_settings([f"value={value}"]) == {"value": value}:
            return value
    except InputError:  # as it stands, it is no YAML
        pass
    return json.dumps(value)
