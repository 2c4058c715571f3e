"""One process at a time for each stage in a folder, and none that outlives the DVC that started it.

DVC passes no signal on to its stage: killed alone, it leaves one behind that goes on writing, and the next `dvc repro`
starts a second one beside it.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from cifar10.core.config import USER_ERRORS, format_error
from cifar10.core.locks import LOCKS, lock

POLL_SECONDS = 0.2


def _find_dvc() -> psutil.Process | None:
    """The nearest process above this one that is DVC, or Python that calls it; None where it has ended before.

    Shells may stand between. A process whose DVC has ended gets another parent, which may be Python too, such as the
    first one of a container: that is of another session. Only torchrun gives its processes a session of their own.
    """
    session = os.getsid(0)
    for process in psutil.Process().parents():
        with suppress(psutil.Error, OSError):
            name = process.name().lower()
            is_ours = session in (os.getpid(), os.getsid(process.pid))
            if is_ours and ("dvc" in name or "python" in name):
                return process
    return None


# Looked for at the very start (so this module imports little): while torch is imported, it may end.
DVC = _find_dvc()


def run_stage(main: Callable[..., None]) -> None:
    """Call a stage with the paths of its command line; end with one line and exit code 1 if it cannot be done.

    Alone in its folder, and no longer than the DVC that started it.
    """
    program, *arguments = sys.argv
    try:
        end_with_dvc()
        with lock(LOCKS / lock_name(Path(program).stem)):
            main(*map(Path, arguments))
    except USER_ERRORS as error:
        sys.exit(format_error(error))


def lock_name(stage: str) -> str:
    """The lock that a stage takes; under torchrun each process has one of its own."""
    return f"{stage}.{os.environ['RANK']}" if "RANK" in os.environ else stage


def end_with_dvc() -> None:
    """Send this process a SIGTERM soon after the DVC that started it has ended; without DVC, nothing.

    A stage that was started by hand may go on when its terminal is closed (`nohup`).
    """
    if "DVC_STAGE" not in os.environ:  # DVC sets it for the processes that it starts
        return
    if not _dvc_lives():
        os.kill(os.getpid(), signal.SIGTERM)

    def watch() -> None:
        while _dvc_lives():
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _dvc_lives() -> bool:
    """Whether it still runs; one that has ended may stay in the list until its parent asks for it."""
    with suppress(psutil.Error):
        return DVC is not None and DVC.is_running() and DVC.status() != psutil.STATUS_ZOMBIE
    return False
