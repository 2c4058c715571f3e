"""One room per stage of dvc.yaml: files in, a library call, files out."""

import sys
from collections.abc import Callable
from pathlib import Path

from cifar10.config import MENDABLE, one_line


def run(main: Callable[..., None]) -> None:
    """Call a stage with the paths of its command line; end with one line and exit code 1 if it cannot be done."""
    try:
        main(*(Path(argument) for argument in sys.argv[1:]))
    except MENDABLE as error:
        sys.exit(one_line(error))
