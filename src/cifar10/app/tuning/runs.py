"""Runs of a search as DVC experiments: started, watched epoch by epoch, broken off, and their accuracy read."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cifar10.app.experiments.replication import exp_run, read_accuracies
from cifar10.core.config import InputError

POLL_SECONDS = 2.0
PATIENCE_SECONDS = 60.0  # with a queue that has no worker; new ones need some seconds

# What training prints of each epoch, see `training.history.describe_epoch`.
_EPOCH = re.compile(r"epoch +(\d+)/(\d+)  .*  val loss \S+ acc (\d\.\d+)  ")


@dataclass(frozen=True)
class Pruned:
    """The run was broken off."""


@dataclass(frozen=True)
class Failed:
    """The run ended without a result; one line says why."""

    reason: str

    @property
    def diverged(self) -> bool:
        """Whether the parameters are to blame."""
        return "training diverged" in self.reason


Outcome = float | Pruned | Failed  # a number: accuracy on the validation images, 0..1


@dataclass(frozen=True)
class Job:
    """One run to be done."""

    name: str
    settings: dict[str, Any]  # dotted key of params.yaml -> value
    goes_on: Callable[[int, int, float], bool]  # told epoch, epochs and validation accuracy: whether to go on


def parse_epoch(line: str) -> tuple[int, int, float] | None:
    """Epoch, number of epochs and validation accuracy, if the line tells them."""
    found = _EPOCH.match(line)
    return (int(found[1]), int(found[2]), float(found[3])) if found else None


def run_in_turn(job: Job, folder: Path, lock: int) -> Outcome:
    """Run one job now; what DVC and the stages print goes to `folder`, the epochs to the terminal as well.

    The run inherits the file descriptor `lock`. Where this process is killed, the run ends by itself: nobody reads
    what it prints of its next epoch. The state that it keeps when it is asked to stop lies in `folder` too.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "CIFAR10_RESUME": str((folder / "resume").resolve())}
    command = exp_run(job.name, job.settings, queue=False)
    # A shell starts what is in the background with Ctrl-C ignored, and runs inherit that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        (folder / f"{job.name}.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command, env=environment, pass_fds=[lock], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", errors="replace", start_new_session=True,
        ) as process,
    ):  # fmt: skip
        try:
            pruned, complaint = _follow(process, job, log.write)
        except BaseException:
            _interrupt(process)
            raise
    if pruned:
        shutil.rmtree(folder / "resume", ignore_errors=True)  # the state that it kept is of no use
        return Pruned()
    return Failed(complaint or f"dvc exp run: see {log.name}") if process.returncode else read_accuracy(job.name)


def _follow(process: subprocess.Popen[str], job: Job, keep: Callable[[str], Any]) -> tuple[bool, str]:
    """Read what a run prints until it ends: whether it was broken off, and the line with which a stage failed."""
    pruned, complaint = False, ""
    assert process.stdout
    for line in process.stdout:
        keep(line)
        if line.lower().startswith("error: ") and not complaint:
            complaint = " ".join(line.split()).partition(" ")[2]
        epoch = parse_epoch(line)
        if epoch and not pruned:
            print(f"  {line.rstrip()}", flush=True)
            if not job.goes_on(*epoch):
                pruned = True
                os.killpg(process.pid, signal.SIGINT)
    return pruned, complaint


def _interrupt(process: subprocess.Popen[str]) -> None:
    """End a run in order: the stage keeps its state and DVC removes the run's folder.

    The whole group is told, as a terminal does: DVC waits for its stage and passes no signal on.
    """
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    process.communicate()


def run_in_queue(jobs: list[Job], folder: Path, lock: int) -> list[Outcome]:
    """Run all jobs side by side through DVC's queue. Nobody sees their epochs, so none is broken off.

    What the queue loses is run in turn afterwards: of several workers one may take a task with it when it ends (DVC
    3.67). Where this process is killed, the queue goes on with the jobs; Ctrl-C takes them out of it.
    """
    for job in jobs:
        command = exp_run(job.name, job.settings, queue=True)
        if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
            raise InputError(f"{job.name}: `dvc exp run --queue` failed; what it printed above says why")
    print(f"  in DVC's queue; `dvc queue logs --follow {jobs[0].name}` shows one of them", flush=True)
    try:
        subprocess.run(["dvc", "queue", "start", "--jobs", str(len(jobs))], stdout=subprocess.DEVNULL, check=False)
        lost = _wait_for({job.name for job in jobs})
    except KeyboardInterrupt:
        for step in ("remove", "kill"):  # the queue's workers are no children of ours: Ctrl-C does not reach them
            for job in jobs:
                subprocess.run(["dvc", "queue", step, job.name], capture_output=True, check=False)
        raise
    for name in sorted(lost):
        print(f"  {name}: DVC's queue has lost it; it runs now", flush=True)
    return [run_in_turn(job, folder, lock) if job.name in lost else _outcome(job.name) for job in jobs]


def _wait_for(names: set[str]) -> set[str]:
    """Wait until the queue is through with all of these runs, or has no worker any more; those that are left then."""
    deserted = time.monotonic() + PATIENCE_SECONDS
    while True:
        status = subprocess.run(["dvc", "queue", "status"], capture_output=True, text=True, check=False).stdout
        left = {name for name in names if not _is_through(name, status)}
        if re.search(r"[1-9]\d* (active|idle)", status):
            deserted = time.monotonic() + PATIENCE_SECONDS
        if not left or time.monotonic() > deserted:
            return left
        time.sleep(POLL_SECONDS)


def _is_through(name: str, status: str) -> bool:
    """Whether the table of `dvc queue status` has an end of the run, and no run of that name that has none."""
    rows = [line.split() for line in status.splitlines()]
    states = {row[-1] for row in rows if name in row[1:2]}
    return bool(states) and not states & {"Queued", "Running"}


def _outcome(name: str) -> Outcome:
    try:
        return read_accuracy(name)
    except InputError:
        return Failed(f"`dvc queue logs {name}` says why")


def read_accuracy(name: str) -> float:
    """Accuracy of an experiment on the validation images, never on the test images.

    Raises:
        InputError: there is no such experiment, or it had no validation images.
    """
    accuracies = read_accuracies(name)
    if "validation" not in accuracies:
        raise InputError(f"{name}: a search needs validation images, and data.val_fraction is 0")
    return accuracies["validation"]
