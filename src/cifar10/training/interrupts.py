"""SIGTERM and Ctrl-C while work is under way: finish the step, save the state, and end soon whatever happens."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE_SECONDS = 4.0  # from the signal until the process is ended the hard way


_active: list["StopRequest"] = []
_masks = threading.local()  # what the forking thread let through before


def _before_fork() -> None:
    """A signal that reaches the child before `_obey_in_child` is done waits until then."""
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _after_fork() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _obey_in_child() -> None:
    """A forked helper process (torch's compiler has some) saves nothing: signals end it."""
    if _active:
        _active.clear()
        signal.set_wakeup_fd(-1)  # the pipe is shared with the parent, which would take the signal for its own
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
    _after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_obey_in_child)


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """Raised where a stop was asked for and nothing is half-done."""


class StopRequest:
    """Whether the process was asked to stop."""

    def __init__(self) -> None:
        self.asked = False
        self._at_once = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """What a signal does: note it, and break off what may be broken off."""
        self.asked = True
        if self._at_once:
            self._at_once = False
            raise Interrupted

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it, a signal raises Interrupted at any point: for work that leaves nothing half-changed."""
        if self.asked:
            raise Interrupted
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Within it, SIGTERM and Ctrl-C are noted instead of obeyed, and a process that does not end by itself is ended.

    Python looks at signals between two of its own instructions, and one call into torch can take long: a thread that
    the system wakes directly keeps the time.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield request
        return
    before = {number: signal.signal(number, request.handle) for number in SIGNALS}
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    before_descriptor = signal.set_wakeup_fd(write_end)
    over = threading.Event()
    _active.append(request)

    def watch() -> None:
        while (data := os.read(read_end, 1)) and data[0] not in SIGNALS:
            pass  # other signals that Python looks after
        if not data or over.is_set():
            return
        if not over.wait(PATIENCE_SECONDS):
            os.write(2, b"error: interrupted in the middle of a long step; the last kept state counts\n")
            os._exit(1)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield request
    finally:
        over.set()
        _active.remove(request)
        signal.set_wakeup_fd(before_descriptor)
        os.close(write_end)  # wakes the watcher with an end of file
        watcher.join()
        os.close(read_end)
        for number, handler in before.items():
            signal.signal(number, handler)
