"""What all stages stand on, so it is imported first: Ctrl-C while a program of ours still imports is one line too."""

import sys
from pathlib import Path
from types import TracebackType


def _tell_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook` for Ctrl-C: no traceback of whichever import it came into. Importing torch takes seconds."""
    if issubclass(kind, KeyboardInterrupt):
        print("error: interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


_PROGRAM = Path(sys.argv[0]).resolve()
if _PROGRAM.is_relative_to(Path(__file__).resolve().parents[1]) or _PROGRAM.name == "cifar10":  # no notebook, no test
    sys.excepthook = _tell_interrupt
