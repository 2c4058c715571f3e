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

from cifar10.core.config import USER_ERRORS, format_error
from cifar10.core.locks import LOCKS, lock

# The parent at the very start (so this module imports little): while torch is imported, it may end.
STARTED_BY = os.getppid()

POLL_SECONDS = 0.2


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
    if _is_orphan():
        os.kill(os.getpid(), signal.SIGTERM)
    shell, above = _shell_above()

    def watch() -> None:
        while os.getppid() == STARTED_BY and (not shell or _parent_of(STARTED_BY) == above):
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _is_orphan() -> bool:
    """Whether DVC ended before this module was imported, and left this process to one that DVC did not come from.

    That is one of another session: DVC starts its stages in its own. In a container all may be of one session; then the
    first process has it, unless it is DVC itself or a Python program that calls it.
    """
    import psutil

    with suppress(psutil.Error, OSError):
        session = os.getsid(0)
        if session != os.getpid() and os.getsid(STARTED_BY) != session:  # torchrun gives its processes one of their own
            return True
        return STARTED_BY == 1 and not any("dvc" in word or "python" in word for word in psutil.Process(1).cmdline())
    return False


def _shell_above() -> tuple[bool, int | None]:
    """Whether a shell stands between DVC and this process (most hand their process over, fish does not); its parent."""
    import psutil

    with suppress(psutil.Error):
        parent = psutil.Process(STARTED_BY)
        return parent.name() == Path(os.environ.get("SHELL") or "/bin/sh").name, parent.ppid()
    return False, None


def _parent_of(pid: int) -> int | None:
    import psutil

    with suppress(psutil.Error):
        return psutil.Process(pid).ppid()
    return None
