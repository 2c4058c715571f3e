"""The space of a search: which keys of params.yaml vary, and how far, as in `lr=0.003..0.3:log epochs=4,8`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cifar10.app.experiments.recipes import with_overrides
from cifar10.core.config import PARAMS, DataConfig, InputError, check_config, parse_yaml
from cifar10.engine.inference import PredictConfig
from cifar10.training.trainer import TrainConfig

# What a result must not be bettered by: luck, other validation images, another machine.
FIXED = ("seed", "data", "runtime")
DIGITS = 4  # that a proposed number has: what is run, shown and written down is one and the same


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: int | float
    high: int | float
    log: bool  # drawn evenly in the logarithm
    whole: bool


@dataclass(frozen=True)
class Choices:
    """Values without an order."""

    values: tuple[Any, ...]


Space = dict[str, Range | Choices]


def parse_space(texts: Iterable[str], recipe: dict[str, Any]) -> Space:
    """`KEY=LOW..HIGH`, `KEY=LOW..HIGH:log` and `KEY=A,B,C` of a command line, checked against a whole params.yaml.

    Numbers are whole where both ends are and the recipe's value is.

    Raises:
        InputError: an argument is none of these, or the recipe has no such key or could not take such a value.
    """
    space: Space = {}
    for text in texts:
        key, _, values = text.partition("=")
        if not key or not values:
            raise InputError(f"{text}: expected KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A,B,C")
        if key in space:
            raise InputError(f"{text}: {key} is there twice")
        if key.partition(".")[0] in FIXED:
            raise InputError(f"{text}: runs that differ in {', '.join(FIXED)} cannot be compared by accuracy")
        with_overrides(recipe, {key: None})
        is_range = ".." in values
        space[key] = _parse_range(text, values, value_at(recipe, key)) if is_range else _parse_choices(text, values)
        for value in _outermost(space[key]):
            _check(text, with_overrides(recipe, {key: value}))
    return space


def _parse_range(text: str, values: str, present: Any) -> Range:
    ends, _, scale = values.partition(":")
    low, high = (_values(text, end)[0] for end in ends.split("..", 1))
    if scale not in ("", "log"):
        raise InputError(f"{text}: after the colon only log is known")
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in (low, high)):
        raise InputError(f"{text}: the ends of a range are numbers")
    if not low < high:
        raise InputError(f"{text}: {low:g} is not below {high:g}")
    if scale and low <= 0:
        raise InputError(f"{text}: a logarithmic range begins above 0")
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in (low, high, present))
    return Range(low if whole else float(low), high if whole else float(high), scale == "log", whole)


def _parse_choices(text: str, values: str) -> Choices:
    found = _values(text, values)
    if any(isinstance(value, list | dict) for value in found):
        raise InputError(f"{text}: a choice is a number, a word, true, false or null")
    if len(found) < 2 or len({repr(value) for value in found}) < len(found):
        raise InputError(f"{text}: expected two or more different values")
    return Choices(tuple(found))


def _values(text: str, values: str) -> list[Any]:
    """The values between the commas, read as params.yaml is."""
    try:
        found = parse_yaml(f"values: [{values}]", PARAMS)["values"]
    except InputError:
        found = []
    if not found:
        raise InputError(f"{text}: {values!r} is no list of values")
    return found


def _outermost(part: Range | Choices) -> tuple[Any, ...]:
    return part.values if isinstance(part, Choices) else (part.low, part.high)


def _check(text: str, recipe: dict[str, Any]) -> None:
    """All of a recipe against the config classes, so that no run fails hours later."""
    for kind, section in ((TrainConfig, None), (DataConfig, "data"), (PredictConfig, "predict")):
        check_config(kind, recipe, text, section)


def value_at(recipe: dict[str, Any], key: str) -> Any:
    """The recipe's value at a dotted key that it has."""
    value: Any = recipe
    for part in key.split("."):
        value = value[part]
    return value


def point_of(recipe: dict[str, Any], space: Space) -> dict[str, Any] | None:
    """The recipe's own values, None where one of them lies outside of the space."""
    point = {key: value_at(recipe, key) for key in space}
    return point if all(_holds(space[key], value) for key, value in point.items()) else None


def _holds(part: Range | Choices, value: Any) -> bool:
    if isinstance(part, Choices):
        return value in part.values
    return isinstance(value, int | float) and part.low <= value <= part.high


def rounded(value: Any) -> Any:
    """A proposed value with no more digits than it is worth."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
