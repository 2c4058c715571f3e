"""The validation accuracy that a submission is compared with, after a final fit that of the run before it.

A final fit (`data.val_fraction=0`) has no validation images left. What its recipe is worth was measured by the run in
which it was chosen: of the same images and the same training parameters, with a validation part. DVC's run cache has
it, whether it was an experiment or a plain `dvc repro`.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from cifar10.app.experiments.recipes import with_overrides
from cifar10.app.paths import METRICS, MODEL
from cifar10.core.config import PARAMS, InputError, parse_yaml, read_params
from cifar10.evaluation import origin

PREPARED = Path("data/prepared")
SPLIT = "data.val_fraction"

Stage = dict[str, Any]  # as dvc.lock and the run cache write one: cmd, deps, params, outs


def validation_accuracy() -> tuple[str, str]:
    """The accuracy as `evaluate` wrote it, empty where there is none, and what run it is of if not of the last one."""
    stages = _stages()
    evaluated, submitted = (_md5(stages.get(name, {}).get("deps", []), MODEL) for name in ("evaluate", "predict"))
    if evaluated != submitted:  # as after `dvc repro predict`
        return "", ""
    try:
        return _accuracy_in(METRICS.read_bytes()), ""
    except FileNotFoundError:
        return "", ""
    except KeyError:
        return _find_recipe_run(stages)
    except (ValueError, TypeError):
        raise InputError(f"{METRICS}: not whole; `dvc repro` makes it anew") from None


def _accuracy_in(metrics: bytes) -> str:
    return str(float(json.loads(metrics)["validation"]["accuracy"]))


def params_of_run() -> dict[str, Any]:
    """All of params.yaml as the last run read it; a person may have changed the file since."""
    params = read_params(PARAMS)
    for stage in _stages().values():
        with suppress(InputError):  # a key that is there no longer
            params = with_overrides(params, _params(stage))
    return params


def _stages() -> dict[str, Stage]:
    """The stages of the last run."""
    if not origin.LOCK.exists():
        return {}
    return parse_yaml(origin.LOCK.read_text(encoding="utf-8"), origin.LOCK)["stages"]


def _find_recipe_run(stages: dict[str, Stage]) -> tuple[str, str]:
    """Accuracy and name of the latest run that differs from the last one in its validation part alone."""
    if not stages:
        return "", ""
    prepare, train, evaluate = (stages.get(name, {}) for name in ("prepare", "train", "evaluate"))
    split_of = {_md5(run["outs"], PREPARED): _params(run)[SPLIT] for run in _runs_like(prepare, but=SPLIT)}
    split_of_model = {
        _md5(run["outs"], MODEL): split_of.get(_md5(run["deps"], PREPARED)) for run in _runs_like(train, any_data=True)
    }
    for run in _runs_like(evaluate, any_data=True):
        split = split_of_model.get(_md5(run["deps"], MODEL))
        md5 = _md5(run["outs"], METRICS)
        cached = origin.cached_file(md5)
        if split and cached.is_file():
            with suppress(KeyError, ValueError, TypeError):
                return _accuracy_in(cached.read_bytes()), f"{SPLIT}={split}"
    return "", ""


def _runs_like(stage: Stage, but: str = "", any_data: bool = False) -> Iterator[Stage]:
    """The runs of a stage with the same parameters (`but` one) and, unless `any_data`, on the same data; latest first.

    The code may differ: a comment that was changed makes another run of the same recipe.
    """
    words = stage.get("cmd", "").split()
    for path in sorted(
        (origin.cache_dir() / "runs").glob("*/*/*"), key=lambda path: path.stat().st_mtime, reverse=True
    ):
        text = path.read_text(encoding="utf-8")
        if path.suffix or not words or not all(word in text for word in words):  # with a suffix it is half-written
            continue
        run = parse_yaml(text, path)
        if _params(run, but) == _params(stage, but) and (any_data or _data(run) == _data(stage)):
            yield run


def _params(stage: Stage, but: str = "") -> dict[str, Any]:
    return {key: value for key, value in stage.get("params", {}).get(str(PARAMS), {}).items() if key != but}


def _data(stage: Stage) -> dict[str, str]:
    """What a stage read, its code apart."""
    return {file["path"]: file["md5"] for file in stage["deps"] if not file["path"].startswith("src/")}


def _md5(files: list[dict[str, str]], path: Path) -> str:
    return next((file["md5"] for file in files if file["path"] == path.as_posix()), "")
