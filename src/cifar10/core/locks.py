"""A lock that one process has at a time, and that ends with its process, however that ends."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cifar10.core.files import tell_disk_full

LOCKS = Path("logs/locks")
PATIENCE_SECONDS = 10.0  # a stage whose DVC has ended needs at most half of it
POLL_SECONDS = 0.2


@contextmanager
def lock(path: Path, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock on the file `path`, which then has this process's number in it; waits while another holds it.

    Raises:
        BlockingIOError: another process, which the message names, holds it for longer than `patience_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file_lock = FileLock(path, fallback_to_soft=False)  # a lock that is only a file's existence outlives a kill
    try:
        held = file_lock.acquire(timeout=patience_seconds, poll_interval=POLL_SECONDS)
    except Timeout:
        holder = path.read_text().strip() or "of unknown number"
        reason = f"process {holder} is at work here; wait for its end, or end it, and run again"
        raise BlockingIOError(errno.EAGAIN, reason, str(path)) from None
    with held:
        with tell_disk_full(path):
            path.write_text(f"{os.getpid()}\n")
        yield
