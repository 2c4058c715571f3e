"""One room per stage of dvc.yaml: files in, a library call, files out."""

import sys
from collections.abc import Callable
from pathlib import Path

from cifar10.config import InputError


def run(main: Callable[..., None]) -> None:
    """Call a stage with the paths of its command line; end with one line and exit code 1 if it cannot be done."""
    try:
        main(*(Path(argument) for argument in sys.argv[1:]))
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {where}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted")
