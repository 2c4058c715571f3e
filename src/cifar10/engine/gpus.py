"""One GPU for each run: several runs on one machine (DVC's queue starts them without a word about GPUs) share none."""

import itertools
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

import torch

from cifar10.core.locks import lock

_held = ExitStack()  # as long as the process lives


@cache
def lock_gpu() -> int:
    """Index of a visible GPU that no other run of this user has; waits for one where all are taken."""
    count = torch.cuda.device_count()
    if count == 1:
        return 0  # whoever runs twice on the only GPU means to
    names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
    return lock_first_free(names, Path(tempfile.gettempdir()) / f"cifar10-gpus-{os.getuid()}")


def lock_first_free(names: Sequence[str], folder: Path, poll_seconds: float = 1.0) -> int:
    """Index of the first of `names` that nobody has locked, now locked in `folder` for the life of this process."""
    for attempt in itertools.count():
        for index, name in enumerate(names):
            with suppress(BlockingIOError):
                _held.enter_context(lock(folder / name, patience_seconds=0.0))
                return index
        if attempt == 0:
            print(f"all {len(names)} GPUs are taken by other runs; waiting for one", flush=True)
        time.sleep(poll_seconds)
    raise AssertionError("unreachable")
