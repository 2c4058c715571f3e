"""Trainings and pipelines that can be killed: what `kill_sweep.py` and the tests have in common."""

import hashlib
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from ruamel.yaml import YAML
from tqdm import tqdm

from cifar10.app.experiments.recipes import with_overrides
from cifar10.core.config import PARAMS, read_params
from cifar10.data.dataset import load_prepared
from cifar10.models.checkpoint import TrainedModel, save_model
from cifar10.training.fit import fit
from cifar10.training.resume import ResumeStore
from cifar10.training.trainer import TrainConfig

ROOT = Path(__file__).parents[2]
RESULTS = ("models/model.pt", "reports/train/history.csv", "reports/eval/predictions.csv", "submissions/submission.csv")
OUTS = ("data/raw", "data/prepared", "models", "reports", "submissions", "logs", "dvc.lock", ".dvc/cache", ".dvc/tmp")


def result_of(prepared: Path, folder: Path, config: TrainConfig) -> str:
    """Train with resume states in `folder`; a digest of the model file and of the history without its clock."""
    data = load_prepared(prepared)
    model, history = fit(data, config, ResumeStore(folder, "key"))
    save_model(folder / "model.bin", TrainedModel(model, config.model, data.classes, data.mean, data.std))
    rows = [{k: v for k, v in asdict(row).items() if k not in ("seconds", "images_per_second")} for row in history]
    return hashlib.sha256((folder / "model.bin").read_bytes() + repr(rows).encode()).hexdigest()


class Trainings:
    """Trainings in processes of their own that begin at once: forked by a process in which torch is imported.

    Nothing that a killed one may hold is shared: the server runs no thread, and each child has a progress bar's lock
    of its own.
    """

    def __init__(self, connection: Connection, prepared: Path, config: TrainConfig) -> None:
        self.connection, self.prepared, self.config = connection, prepared, config

    def run(self, folder: Path, kill_after_seconds: float | None = None) -> str | None:
        """Train in `folder`, going on from what is there; the digest of the result, or None if it was killed."""
        self.connection.send((self.prepared, folder, self.config))
        pid = self.connection.recv()
        if not self.connection.poll(kill_after_seconds):
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        code = self.connection.recv()
        if code == -signal.SIGKILL:
            return None
        assert code == 0, f"the training ended with code {code}"
        return (folder / "result").read_text()


@contextmanager
def trainings(prepared: Path, config: TrainConfig) -> Iterator[Trainings]:
    """Within it, trainings can be started."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    theirs.close()
    try:
        yield Trainings(ours, prepared, config)
    finally:
        ours.close()
        server.join()


def _serve(connection: Connection) -> None:
    torch.set_num_threads(1)  # no pool of threads that a fork would lose
    while True:
        try:
            prepared, folder, config = connection.recv()
        except EOFError:
            return
        pid = os.fork()
        if pid == 0:
            tqdm.set_lock(threading.RLock())
            with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
                (folder / "result").write_text(result_of(prepared, folder, config))
            os._exit(0)
        connection.send(pid)
        connection.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


class Pipeline:
    """A checkout of its own, with git, DVC and small data, whose `dvc repro` can be killed."""

    def __init__(self, folder: Path, overrides: dict[str, Any]) -> None:
        self.folder = folder
        for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, folder / name)
        shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        YAML().dump(with_overrides(read_params(ROOT / PARAMS), overrides), folder / PARAMS)
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(folder / ".git/dvc"),
            "OMP_NUM_THREADS": "1",
            **{f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        for command in ("git init -q", "dvc init -q", "git add -A", "git commit -qm start"):
            self.start(*command.split()).communicate()

    def start(self, *command: str) -> subprocess.Popen[str]:
        """A command in a process group of its own."""
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def repair(self) -> str:
        """What `make` does first; what it repaired."""
        process = self.start("cifar10", "doctor", "--repair-only")
        output = process.communicate()[0]
        assert process.returncode == 0, output
        return output

    def reset(self) -> None:
        """As after the clone: no outs, no cache, no logs."""
        for name in OUTS:
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        (self.folder / ".dvc/tmp").mkdir()

    def result(self) -> dict[str, str]:
        """sha256 of the outs that no clock is in, and of dvc.lock without the report's checksum and size."""
        files = {name: (self.folder / name).read_bytes() for name in RESULTS}
        lock = (self.folder / "dvc.lock").read_text()
        lock = re.sub(r"(path: reports/report.html\n).*\n.*\n.*\n", r"\1", lock)
        return {name: hashlib.sha256(data).hexdigest() for name, data in {**files, "dvc.lock": lock.encode()}.items()}
