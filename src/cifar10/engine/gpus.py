"""One GPU for each run: several runs on one machine (DVC's queue starts them without a word about GPUs) share none."""

import itertools
import os
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO

import torch

# Kept open as long as the process lives: the system gives the lock back when it ends, however it ends.
_held: list[IO[bytes]] = []


@cache
def claim_gpu() -> int:
    """Index of a visible GPU that no other run of this user has; waits for one where all are taken."""
    count = torch.cuda.device_count()
    if count == 1:
        return 0  # whoever runs twice on the only GPU means to
    names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
    return claim(names, Path(tempfile.gettempdir()) / f"cifar10-gpus-{os.getuid()}")


def claim(names: Sequence[str], folder: Path, poll_seconds: float = 1.0) -> int:
    """Lock the first of `names` that nobody has locked, by a file in `folder`, for the life of this process."""
    import fcntl  # here: Windows has none, and none of these machines

    folder.mkdir(parents=True, exist_ok=True)
    for attempt in itertools.count():
        for index, name in enumerate(names):
            file = (folder / name).open("wb")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            _held.append(file)
            return index
        if attempt == 0:
            print(f"all {len(names)} GPUs are taken by other runs; waiting for one", flush=True)
        time.sleep(poll_seconds)
    raise AssertionError("unreachable")
