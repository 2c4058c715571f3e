"""The `cifar10` command: parses, calls one library function, prints."""

import argparse
import io
import json
import os
import sys
from pathlib import Path

from cifar10.app.commands import doctor, experiments, look, tune
from cifar10.app.commands.arguments import whole_number
from cifar10.app.experiments.recipes import format_settings
from cifar10.app.kaggle import leaderboard
from cifar10.app.paths import METRICS, REPORT, SUBMISSION
from cifar10.core.config import USER_ERRORS, InputError, format_error
from cifar10.engine.provenance import PIPELINE
from cifar10.evaluation.origin import changed_params


def main(arguments: list[str] | None = None) -> None:
    """Entry point; a failure that the user can mend is one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="cifar10", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("results", help="what the last run reached and where it lies").set_defaults(run=results)
    _add_submit(commands.add_parser("submit", help="send submission.csv to Kaggle and wait for its score"))
    commands.add_parser("scores", help="all submissions, best first, with their scores").set_defaults(run=scores)
    experiments.add(commands)
    tune.add(commands)
    look.add(commands)
    doctor.add(commands)
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # what the terminal's encoding lacks is told as a code, as stderr does
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        answer = options.run(options)
    except USER_ERRORS as error:
        parser.exit(1, f"{format_error(error)}\n")
    try:
        print(answer, flush=True)
    except BrokenPipeError:  # `cifar10 results | head -1`: whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends


def results(options: argparse.Namespace) -> str:
    """Accuracy and macro F1 of the last run, its files, and what to do next."""
    try:
        metrics = json.loads(METRICS.read_bytes())
        lines = [_describe(part, score) for part, score in metrics.items()]
    except FileNotFoundError:
        todo = "`dvc repro` makes it" if PIPELINE.exists() else f"run from the folder that holds {PIPELINE}"
        raise InputError(f"{METRICS}: not found; {todo}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{METRICS}: not whole; `dvc repro` makes it anew") from None
    lines = lines or ["validation  none: the network was trained on every labelled image"]
    lines += [
        f"report      {REPORT}",
        f"submission  {SUBMISSION}",
        *_changed_params(),
        "",
        "next        . .venv/bin/activate       unless it is active already",
        "            dvc exp run -S lr=0.05     another learning rate; `dvc exp show` compares all runs",
        "            README.md                  CIFAR-10 in five commands, to the leaderboard",
    ]
    return "\n".join(lines)


def _changed_params() -> list[str]:
    """A line on the parameters that `-S` or an editor left in params.yaml, for all later runs have them too."""
    changed = changed_params()
    return [f"changed     {format_settings(changed)}; `git checkout params.yaml` takes it back"] if changed else []


def _describe(part: str, score: dict[str, float]) -> str:
    figures = f"accuracy {score['accuracy']:.4f}   macro F1 {score['macro_f1']:.4f}"
    baseline = f"always the largest class {score['largest_class_share']:.4f}"
    return f"{part:<11} {figures}   ({score['images']:,} images, {baseline})"


def _add_submit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", type=Path, default=SUBMISSION, help=f"what to submit ({SUBMISSION})")
    parser.add_argument("--message", help="description (experiment, commit, changed parameters, validation accuracy)")
    parser.add_argument(
        "--wait", type=whole_number(), default=300, metavar="SECONDS", help="for the score (300); 0: do not"
    )
    parser.add_argument("--again", action="store_true", help="even if this very file was submitted before")
    parser.add_argument("--yes", action="store_true", help="do not ask before a submission of today's quota is spent")
    parser.set_defaults(run=submit)


def submit(options: argparse.Namespace) -> str:
    """Submit a file and report its score."""
    return leaderboard.submit(
        options.file, lambda what: _agrees(what, options.yes), options.message, options.wait, options.again
    )


def scores(options: argparse.Namespace) -> str:
    """The table of submissions."""
    return leaderboard.show_scores()


def _agrees(what: str, yes: bool) -> bool:
    print(f"submit: {what}", flush=True)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InputError("not submitted: there is no terminal to ask on; --yes submits without asking")
    try:
        return input("submit? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
