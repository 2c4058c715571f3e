"""`cifar10 doctor`."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser's list."""
    parser = commands.add_parser("doctor", help="repair what a killed run left, and say what keeps a run from going on")
    parser.add_argument("--repair-only", action="store_true", help="no look at machine and account; quick")
    parser.set_defaults(run=doctor)


def doctor(options: argparse.Namespace) -> str:
    """All findings, those that stop a run last; ends with exit code 1 if there is one of these."""
    if options.repair_only:
        from cifar10.app.health.repair import repair

        return "\n".join(f"repaired: {line}" for line in repair()) or "nothing to repair"
    from cifar10.app.health.doctor import examine  # here: torch takes seconds

    findings = examine()
    for finding in findings:
        if not finding.stops:
            print(finding.text)
    if problems := [finding.text for finding in findings if finding.stops]:
        print("\n".join(f"error: {text}" for text in problems))
        raise SystemExit(1)
    return "the run can go on: `dvc repro`"
