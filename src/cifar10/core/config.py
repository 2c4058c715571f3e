"""A part of `params.yaml` as a checked, frozen object, or one line that names the key.

Each config class lives beside the code that it configures, so that a DVC stage depends only on the classes it
uses; this module holds what they share.
"""

import difflib
import reprlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

PARAMS = Path("params.yaml")

# A stage checks its own part of params.yaml in depth and the rest by these names only; the stage `params`, which runs
# before all others, knows the names in the sections as well.
TOP_LEVEL_KEYS = (
    "seed",
    "lr",
    "epochs",
    "batch_size",
    "data",
    "model",
    "loss",
    "optimizer",
    "schedule",
    "augment",
    "ensemble",
    "runtime",
    "predict",
    "evaluate",
)


class InputError(ValueError):
    """Something that a person got wrong and can mend; its text is one line that names the file, key or id."""


# What ends a stage or a command with one line; any other exception is a mistake of ours and keeps its traceback.
USER_ERRORS = (InputError, OSError, KeyboardInterrupt)


MAX_LINE_CHARACTERS = 199


def format_error(error: BaseException) -> str:
    """What is told of one of USER_ERRORS, however long or broken the words are that it quotes."""
    if isinstance(error, KeyboardInterrupt):
        return "error: interrupted"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        line = f"error: {where}{error.strerror or error}"
    else:
        line = f"error: {error}"
    line = " ".join(line.split())
    return line if len(line) <= MAX_LINE_CHARACTERS else f"{line[: MAX_LINE_CHARACTERS - 3]}..."


class Config(BaseModel):
    """Base of all config classes: immutable, no unknown keys, no silent conversions, no NaN, no hidden defaults."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


ConfigT = TypeVar("ConfigT", bound=Config)


Channels = Annotated[list[float], Field(min_length=3, max_length=3)]


def _positive_std(normalization: list[list[float]]) -> list[list[float]]:
    if min(normalization[1]) <= 0:
        raise ValueError("the second list, deviations, should be above 0")
    return normalization


class DataConfig(Config):
    """The section `data`: which images, and how they are split. Here because the first two stages share it."""

    source: str
    """Where the competition's files come from: a key of `cifar10.competition.SOURCES`."""
    path: str | None
    """What the source `local` reads: a folder or a zip file. null: not used."""
    competition: str
    """Kaggle's name of the competition, for the source `kaggle`."""
    resize: bool
    """Whether images of other sizes are resized to 32x32 (Lanczos, antialiased). false: they are refused."""
    val_fraction: Annotated[float, Field(ge=0, lt=1)]
    """Share of the labelled images held back for validation. 0: train on everything."""
    normalization: Annotated[list[Channels], Field(min_length=2, max_length=2), AfterValidator(_positive_std)] | None
    """Mean and standard deviation of each channel, pixels being 0..1. null: those of the training images."""
    split_seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Seed of the split; apart from `seed`, so that runs with several seeds share one split."""


def _none_or_several(folds: int) -> int:
    if folds == 1:
        raise ValueError("input should be 0 (off) or at least 2")
    return folds


class EnsembleConfig(Config):
    """The section `ensemble`: how many networks are trained. Here because `prepare` and `train` share it."""

    seeds: Annotated[int, Field(ge=1, le=100)]
    """Networks that differ by their seed alone, for each fold if there are folds. 1: a single one."""
    folds: Annotated[int, Field(ge=0, le=100), AfterValidator(_none_or_several)]
    """Parts of all labelled images, each held out by the networks that learn from the others. 0: off."""


def one_of(choices: Collection[str]) -> AfterValidator:
    """A validator for a key whose value is the name of an entry of a literal dict.

    It takes the dict itself, so adding an entry there is all that a new choice needs.
    """

    def check(name: str) -> str:
        if name not in choices:
            raise ValueError(f"choose one of {', '.join(choices)}")
        return name

    return AfterValidator(check)


def load_config(kind: type[ConfigT], params: Path = PARAMS, section: str | None = None) -> ConfigT:
    """Read one config object from `params`: a named section, or the top-level keys that `kind` has as fields.

    Raises:
        InputError: the file is missing or not YAML, or a key is unknown, absent, or has an unusable value.
    """
    return check_config(kind, read_params(params), str(params), section)


def check_config(kind: type[ConfigT], params: dict[str, Any], where: str, section: str | None = None) -> ConfigT:
    """One config object out of all of params.yaml's values; `where` they are from begins the InputError."""
    if section is None:
        return validate(kind, {key: params[key] for key in kind.model_fields if key in params}, where)
    return validate(kind, params.get(section), where, section)


def validate(kind: type[ConfigT], values: Any, where: str, section: str | None = None) -> ConfigT:
    """`values` from `where`, from its part `section` if one is named, as a config object.

    Raises:
        InputError: one line that names the place and every key that is unknown, absent, or has an unusable value.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        prefix = (section,) if section else ()
        first, *others = error.errors()
        more = f" (and {len(others)} more)" if others else ""
        raise InputError(f"{where}: {_describe(first, prefix, kind)}{more}") from None


def expand_home(path: str, key: str) -> Path:
    """The value of `key` as a path, `~` and `~name` replaced."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{PARAMS}: {key}: {path[:40]!r}: no home directory of that name") from None


def read_params(path: Path) -> dict[str, Any]:
    """All of params.yaml as plain values, its top-level keys checked by name."""
    params = read_yaml(path, "run from the folder that holds dvc.yaml and params.yaml")
    nested = [f"{name}.{key}" for name in TOP_LEVEL_KEYS if isinstance(params.get(name), dict) for key in params[name]]
    check_known(params, TOP_LEVEL_KEYS, str(path), nested=nested)
    return params


def check_known(
    values: dict[str, Any], keys: Collection[str], where: str, prefix: str = "", nested: Collection[str] = ()
) -> None:
    """Refuse a key of `values` that is none of `keys`; `nested` are dotted keys that it may have been meant for.

    Raises:
        InputError: one line that names the key and the one that was probably meant.
    """
    for key in values:
        if key not in keys:
            same = [known for known in nested if known.rpartition(".")[2] == key]
            raise InputError(f"{where}: {prefix}{_brief(key)}: unknown key{_suggest(str(key), keys, same)}")


def read_yaml(path: Path, hint: str) -> dict[str, Any]:
    """The keys and values of a YAML file; `hint` says what to do where there is none.

    Raises:
        InputError: the file is missing, not UTF-8, not YAML, or something else than keys and values.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: not found; {hint}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> dict[str, Any]:
    """The keys and values of a YAML text; `path` is where it is from, for the error's sake.

    YAML 1.2 as DVC reads it: PyYAML would take `5e-4` for a string.
    """
    try:
        params = YAML(typ="safe").load(text)
    except (YAMLError, ValueError, KeyError, RecursionError) as error:  # the last three of values such as 2020-99-99
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())[:140]}") from None
    if not isinstance(params, dict):
        raise InputError(f"{path}: expected `key: value` lines, found {type(params).__name__}")
    return params


def _describe(error: Any, prefix: tuple[str, ...], kind: type[Config]) -> str:
    """One finding of pydantic in the words of params.yaml: `lr: input should be greater than 0, not -1`."""
    key = ".".join(str(part) for part in (*prefix, *error["loc"]))
    if error["type"] == "missing":
        return f"{key}: missing"
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key{_suggest(str(error['loc'][-1]), _fields_at(kind, error['loc'][:-1]))}"
    if error["type"] in ("model_type", "model_attributes_type"):
        return f"{key}: expected `key: value` lines below it, not {_brief(error['input'])}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "int_type" and isinstance(error["input"], float) and error["input"].is_integer():
        message = "input should be a whole number without a point"
    return f"{key}: {message[0].lower()}{message[1:]}, not {_as_yaml(error['input'])}"


def _as_yaml(value: Any) -> str:
    """A value as params.yaml may have it: text in quotes, and null, true and numbers as they are written there."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(_brief(value)) if isinstance(value, str) else _brief(value)


def _brief(value: Any) -> str:
    """The first 40 characters of a value. Few lines of YAML, with aliases of aliases, can stand for billions."""
    if isinstance(value, int) and value.bit_length() > 64:
        return "a huge number"
    return (str(value) if isinstance(value, str | int | float) else reprlib.repr(value))[:40]


def _fields_at(kind: type[Config], path: tuple[str | int, ...]) -> Collection[str]:
    """Names of the fields of the config class found by following `path` from `kind`."""
    for part in path:
        nested = kind.model_fields[str(part)].annotation
        assert isinstance(nested, type)
        assert issubclass(nested, Config)
        kind = nested
    return kind.model_fields


def _suggest(word: str, choices: Collection[str], same: Sequence[str] = ()) -> str:
    """The choice that `word` was meant for: one of the `same` name elsewhere, its short form, or one spelt like it."""
    short = [choice for choice in choices if choice == "".join(part[:1] for part in word.lower().split("_"))]
    close = [*same, *short, *difflib.get_close_matches(word, choices, n=1)]
    return f"; did you mean {close[0]}?" if close else f"; the keys are {', '.join(choices)}"
