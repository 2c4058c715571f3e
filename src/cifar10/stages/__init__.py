"""One room per stage of dvc.yaml: files in, a library call, files out."""

import sys
from collections.abc import Callable
from pathlib import Path

from cifar10.core.config import MENDABLE, one_line
from cifar10.core.stage import claim, claim_name, end_with_dvc


def run(main: Callable[..., None]) -> None:
    """Call a stage with the paths of its command line; end with one line and exit code 1 if it cannot be done.

    Alone in its folder, and no longer than the DVC that started it.
    """
    program, *arguments = sys.argv
    try:
        end_with_dvc()
        with claim(claim_name(Path(program).stem)):
            main(*map(Path, arguments))
    except MENDABLE as error:
        sys.exit(one_line(error))
