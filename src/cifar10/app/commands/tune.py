"""`cifar10 tune`, a search for better parameters."""

import argparse
from importlib.util import find_spec
from typing import Any

from cifar10.app.commands.arguments import whole_number
from cifar10.app.experiments.recipes import EXPERIMENTS
from cifar10.core.config import PARAMS, InputError

EXAMPLES = """
KEY=LOW..HIGH       numbers between two ends, whole ones where the ends and the present value are whole
KEY=LOW..HIGH:log   the same, drawn evenly in the logarithm: for rates and decays
KEY=A,B,C           one of these values

  cifar10 tune lr=0.003..0.3:log augment.cutout_size_pixels=0,8,12 --trials 20

Each trial is a DVC experiment, tune-STUDY-NUMBER. In turn, a run that is below the median of the others is broken off
in the second half of its training; in the queue every run goes to its end. The same command goes on with a search
that was interrupted, and with a higher --trials goes on further.
"""


def add(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser(
        "tune", help="search for better parameters with Optuna, through DVC",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("space", nargs="+", metavar="KEY=VALUES", help=f"a key of {PARAMS} and what it may be")
    parser.add_argument("--trials", type=whole_number(1), default=20, metavar="N", help="runs of the whole study (20)")
    parser.add_argument("--experiment", metavar="NAME", help=f"start from this recipe of {EXPERIMENTS}")
    parser.add_argument("--study", metavar="NAME", help="its name in logs/tune.db (the recipe's, or params)")
    parser.add_argument("--name", help=f"what the best set is called in {EXPERIMENTS} (tune_STUDY)")
    parser.add_argument("--queue", type=whole_number(1), metavar="N", help="run N at a time through DVC's queue")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="of the proposals (0)")
    parser.set_defaults(run=tune)


def tune(options: argparse.Namespace) -> str:
    """Search, or go on with a search."""
    if not find_spec("optuna"):
        raise InputError("optuna is not installed; `pip install -e '.[tune]'` brings it")
    from cifar10.app.tuning.session import Request, tune  # here: torch, matplotlib and optuna take seconds

    study = options.study or options.experiment or "params"
    entry = options.name or f"tune_{study}"
    return tune(Request(options.space, options.experiment, study, entry, options.trials, options.queue, options.seed))
