"""Commands for people who would rather look than read: classify, show, compare."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

MODEL = Path("models/model.pt")


def add_commands(commands: Any) -> None:
    """Add them to the parser's commands."""
    _add_classify(commands.add_parser("classify", help="what the model sees in a picture, by file, folder or URL"))


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a file, a folder, or an http(s) URL")
    parser.add_argument("--top", type=_positive, default=3, metavar="K", help="how many classes to tell (3)")
    parser.add_argument("--model", type=Path, default=MODEL, metavar="PATH", help=f"the model file ({MODEL})")
    parser.add_argument("--json", action="store_true", help="for programs: a list with all digits")
    parser.add_argument("--allow-private", action="store_true", help="URLs may lead to addresses of your own network")
    parser.set_defaults(run=classify)


def classify(options: argparse.Namespace) -> str:
    """The most probable classes of each picture; ends with exit code 1 if there was one that could not be read."""
    from cifar10.checkpoint import load_model  # here: the other commands should not take torch's seconds
    from cifar10.classify import classify, format_answers

    complaints: list[str] = []

    def complain(line: str) -> None:
        complaints.append(line)
        print(line, file=sys.stderr, flush=True)

    answers = classify(options.images, load_model(options.model), options.top, options.allow_private, complain)
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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, not {text!r}")
    return int(text)
