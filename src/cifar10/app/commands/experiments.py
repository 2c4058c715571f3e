"""`cifar10 summary`, `find-lr`, `use` and `replicate`."""

import argparse
from pathlib import Path
from typing import Any

from cifar10.app.commands.arguments import whole_number
from cifar10.app.experiments.recipes import (
    EXPERIMENTS,
    find_experiment,
    load_experiments,
    parse_settings,
    with_overrides,
    yaml_scalar,
)
from cifar10.app.experiments.replication import replicate
from cifar10.app.yaml_edit import edit_yaml
from cifar10.core.config import PARAMS, InputError, load_config, read_params
from cifar10.core.files import atomic_path, atomic_write
from cifar10.core.locks import LOCKS, lock

CURVE = Path("reports/find_lr.csv")
PICTURE = Path("reports/find_lr.png")


def add(commands: Any) -> None:
    """Add the commands to the parser's list."""
    parser = commands.add_parser("summary", help="layers, parameters, arithmetic and memory of a network")
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"a network (default: the one in {PARAMS})")
    parser.set_defaults(run=_summary)

    parser = commands.add_parser("find-lr", help="range test: which learning rate suits the recipe in params.yaml")
    parser.add_argument("--steps", type=whole_number(20), default=100, help="batches to try, at rising rates (100)")
    parser.add_argument("--lowest", type=float, default=1e-5, help="first rate (1e-5)")
    parser.add_argument("--highest", type=float, default=10.0, help="last rate (10)")
    parser.set_defaults(run=_find_lr)

    parser = commands.add_parser("use", help=f"write a recipe of {EXPERIMENTS} into {PARAMS}")
    parser.add_argument("name", metavar="NAME", help=f"an entry of {EXPERIMENTS}")
    parser.add_argument("-S", dest="set", action="append", default=[], metavar="KEY=VALUE", help="and change a key")
    parser.set_defaults(run=_use)

    parser = commands.add_parser("replicate", help=f"run recipes of {EXPERIMENTS} through DVC")
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"an entry of {EXPERIMENTS}")
    parser.add_argument("--queue", action="store_true", help="put them into DVC's queue instead of running them now")
    parser.add_argument("--seeds", type=whole_number(1), default=1, metavar="N", help="run with seed 0 to N - 1 (1)")
    parser.set_defaults(run=_replicate)


def _summary(options: argparse.Namespace) -> str:
    from cifar10.app.summary import format_summary
    from cifar10.models import MODELS, ModelConfig, build_model
    from cifar10.models.summary import summarize_model

    if options.name is None:
        config = load_config(ModelConfig, section="model").model_copy(update={"pretrained": None})
    elif options.name in MODELS:
        others = {key: None for key in ModelConfig.model_fields if key != "name"}
        config = ModelConfig.model_validate({"name": options.name, **others})
    else:
        raise InputError(f"no network {options.name!r}; there are {', '.join(MODELS)}")
    return format_summary(summarize_model(build_model(config, num_classes=10)))


def _find_lr(options: argparse.Namespace) -> str:
    from cifar10.app.lr_finder import plot_curve, range_test, suggest_lr
    from cifar10.core.tables import write_csv
    from cifar10.data.dataset import load_prepared
    from cifar10.training.trainer import TrainConfig

    if not 0 < options.lowest < options.highest:
        raise InputError(f"--lowest {options.lowest:g} must be above 0 and below --highest {options.highest:g}")
    config = load_config(TrainConfig)
    curve = range_test(load_prepared(Path("data/prepared")), config, options.steps, options.lowest, options.highest)
    suggested = suggest_lr(curve)
    write_csv(CURVE, curve)
    with atomic_path(PICTURE) as partial:
        plot_curve(curve, suggested).savefig(partial, format="png", dpi=144)
    return f"suggested lr {suggested:.2g} ({PARAMS} has {config.lr:g}); the curve: {CURVE}, {PICTURE}"


def _use(options: argparse.Namespace) -> str:
    overrides = {**find_experiment(options.name, load_experiments()).overrides, **parse_settings(options.set)}
    with lock(LOCKS / PARAMS.name):  # another one would not know of these changes
        before = read_params(PARAMS)
        after = with_overrides(before, overrides)
        changed = {key: value for key, value in overrides.items() if with_overrides(before, {key: value}) != before}
        atomic_write(PARAMS, edit_yaml(PARAMS.read_text(encoding="utf-8"), changed))
        assert read_params(PARAMS) == after
    lines = [f"{key}: {yaml_scalar(value)}" for key, value in changed.items()]
    return "\n".join([*lines, f"{PARAMS} has the recipe {options.name}; `dvc repro` runs it"])


def _replicate(options: argparse.Namespace) -> str:
    known = load_experiments()
    return replicate({name: find_experiment(name, known) for name in options.names}, options.seeds, options.queue)
