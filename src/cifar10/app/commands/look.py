"""`cifar10 classify`, `show` and `compare`, for people who would rather look than read."""

import argparse
import json
import sys
import webbrowser
from pathlib import Path
from typing import Any

from cifar10.app.commands.arguments import whole_number
from cifar10.app.paths import MODEL, REPORT
from cifar10.core.config import InputError


def add(commands: Any) -> None:
    """Add the commands to the parser's list."""
    _add_classify(commands.add_parser("classify", help="what the model sees in a picture, by file, folder or URL"))
    _add_show(commands.add_parser("show", help="where the last run's report is, or the report itself"))
    _add_compare(commands.add_parser("compare", help="runs side by side, as a table and as curves"))


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="a file, a folder, an http(s) URL, or - (standard input)"
    )
    parser.add_argument("--top", type=whole_number(1), default=3, metavar="K", help="how many classes to tell (3)")
    parser.add_argument("--model", type=Path, default=MODEL, metavar="PATH", help=f"the model file ({MODEL})")
    parser.add_argument("--json", action="store_true", help="for programs: a list with all digits")
    parser.add_argument("--allow-private", action="store_true", help="URLs may lead to addresses of your own network")
    parser.set_defaults(run=classify)


def classify(options: argparse.Namespace) -> str:
    """The most probable classes of each picture; ends with exit code 1 if there was one that could not be read."""
    from cifar10.app.classify import classify, format_answers
    from cifar10.models.checkpoint import load_model  # here: the other commands should not take torch's seconds

    complaints: list[str] = []

    def note(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def complain(line: str) -> None:
        complaints.append(line)
        note(line)

    trained = load_model(options.model)
    answers = classify(options.images, trained, options.top, options.allow_private, complain, note)
    if options.json:
        text = json.dumps(
            [
                {"image": answer.image, "top": [{"class": name, "probability": value} for name, value in answer.top]}
                for answer in answers
            ],
            indent=2,
        )
    else:
        text = format_answers(answers)
    if not complaints:
        return text
    print(text, end="\n" if text else "")
    raise SystemExit(1)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    parser.set_defaults(run=show)


def show(options: argparse.Namespace) -> str:
    """The full path of the report, which is opened if that was asked for."""
    if not REPORT.is_file():
        raise InputError(f"{REPORT}: not found; `dvc repro` makes it")
    path = REPORT.absolute()  # with `cache.type symlink` the file that it leads to has no ending, and is shown as text
    if options.open and not webbrowser.open(path.as_uri()):
        raise InputError(f"{path}: no browser could be started here; open the file by hand")
    return str(path)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="EXP", help="an experiment, branch, tag or commit, or `workspace`")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw their curves into a png, svg or pdf file")
    parser.set_defaults(run=compare)


def compare(options: argparse.Namespace) -> str:
    """The table of runs, and the picture of their curves if one was asked for."""
    from cifar10.app.experiments.compare import (  # here: pandas and matplotlib take a second
        format_runs,
        read_run,
        write_plot,
    )

    runs = [read_run(name) for name in options.runs]
    table = format_runs(runs)
    if options.plot is None:
        return table
    write_plot(options.plot, runs)
    return f"{table}\n\ncurves: {options.plot}"
