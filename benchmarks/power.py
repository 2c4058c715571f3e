"""Energy of a stretch of work, where the device tells its power."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import mean

import torch

QUERY = ("nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits", "--loop-ms=50")


@contextmanager
def joules_of(device: torch.device) -> Iterator[Callable[[], float | None]]:
    """Yield what tells, after the block, the energy in joules that the device took in it; None where it does not tell.

    The mean of twenty readings a second times the seconds.
    """
    if device.type != "cuda" or not shutil.which(QUERY[0]):
        yield lambda: None
        return
    meter = subprocess.Popen([*QUERY, f"--id={device.index or 0}"], stdout=subprocess.PIPE, text=True)
    started = time.perf_counter()
    result: list[float] = []
    try:
        yield lambda: result[0] if result else None
    finally:
        seconds = time.perf_counter() - started
        meter.terminate()
        lines = meter.communicate()[0].splitlines()
        watts = [float(line) for line in lines if line.strip().replace(".", "", 1).isdigit()]
        if watts:
            result.append(mean(watts) * seconds)
