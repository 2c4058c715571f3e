"""Two real processes on gloo, started as a user starts them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT, write_params, write_tiny

from cifar10.data.batches import BatchLoader, normalize
from cifar10.data.dataset import PreparedData, load_prepared, write_description
from cifar10.engine.processes import World, is_lost_connection
from cifar10.models.checkpoint import load_model
from cifar10.stages import predict, train

RECIPE = {
    "model.name": "lenet", "epochs": 3, "batch_size": 12, "lr": 0.05, "augment.cutout_size_pixels": 8,
    "runtime.precision": "float32",
}  # fmt: skip
MODEL, REPORTS, SUBMISSION = Path("models/model.pt"), Path("reports"), Path("submissions/submission.csv")


@pytest.mark.parametrize(("length", "shares"), [(12, [6, 6]), (7, [4, 3]), (1, [1, 0])])
def test_shares_are_contiguous_and_complete(length, shares):
    batch = torch.arange(length)
    parts = [World(rank, 2).share(batch) for rank in range(2)]
    assert [len(part) for part in parts] == shares
    assert (torch.cat(parts) == batch).all()
    assert World().share(batch) is batch


def test_a_last_batch_that_leaves_a_process_short_sits_the_epoch_out(tiny_data: PreparedData):
    """38 images in batches of 12 leave 2: enough for one process, not for two."""
    sizes = [BatchLoader(tiny_data.train, 12, torch.device("cpu"), count).images_per_epoch for count in (1, 2)]
    assert sizes == [38, 36]


def stage(folder: Path, name: str, *paths: Path | str, command: tuple[str, ...] = (sys.executable,)) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [*command, "-m", f"cifar10.stages.{name}", *map(str, paths)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_inputs(folder: Path, **changes: int) -> None:
    folder.mkdir()
    write_params(folder / "params.yaml", {**RECIPE, **{f"runtime.{key}": value for key, value in changes.items()}})
    write_tiny(folder / "raw")


@pytest.fixture(scope="module")
def prepared(tiny_prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny dataset with 31 training images: two processes cannot share the last batch of 7 evenly."""
    folder = tmp_path_factory.mktemp("uneven") / "prepared"
    shutil.copytree(tiny_prepared, folder)
    shutil.copy(tiny_prepared.with_name("data.json"), folder.parent)
    data = load_prepared(folder)
    np.save(folder / "train_rows.npy", data.train_rows[:31])
    write_description(folder, data.classes, data.mean, data.std)
    return folder


@pytest.fixture(scope="module")
def alone(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one") / "run"
    write_inputs(folder)
    with chdir(folder):
        train.main(prepared, MODEL, REPORTS / "train")
        predict.main(prepared, Path("raw/sampleSubmission.csv"), MODEL, SUBMISSION)
    return folder


@pytest.fixture(scope="module")
def together(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("two") / "run"
    write_inputs(folder, num_processes=2)
    out = stage(folder, "train", prepared, MODEL, REPORTS / "train")
    stage(folder, "predict", prepared, "raw/sampleSubmission.csv", MODEL, SUBMISSION)
    return folder, out


def test_two_processes_follow_the_loss_curve_of_one(alone: Path, together: tuple[Path, str]):
    """They add up in another order: by a millionth, which every step carries on, and a share of 1/31 would be seen."""
    one, two = (pd.read_csv(folder / REPORTS / "train/history.csv") for folder in (alone, together[0]))
    pd.testing.assert_frame_equal(
        one[["lr", "train_loss", "val_loss"]], two[["lr", "train_loss", "val_loss"]], rtol=2e-4
    )
    weights = [torch.load(folder / MODEL, weights_only=True)["state_dict"] for folder in (alone, together[0])]
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], rtol=0, atol=2e-4)


def test_predictions_of_two_processes_are_those_of_one(alone: Path, together: tuple[Path, str]):
    assert (together[0] / SUBMISSION).read_bytes() == (alone / SUBMISSION).read_bytes()


def test_one_process_speaks_for_all(together: tuple[Path, str]):
    lines = together[1].splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 3
    assert "2 processes on cpu" in lines[0]


def test_torchruns_own_command_does_the_same(prepared: Path, together: tuple[Path, str]):
    """As each of several hosts runs it; `evaluate` shares its images too."""
    folder = together[0]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    command = (sys.executable, *torchrun, "--rdzv-endpoint", f"localhost:{port}")
    told = (REPORTS / "train/history.csv", prepared.with_name("data.json"))
    stage(folder, "evaluate", prepared, MODEL, *told, REPORTS / "eval", REPORTS / "report.html", command=command)
    assert json.loads((folder / "reports/eval/metrics.json").read_text())["validation"]["images"] == 10


def test_the_history_of_two_processes_is_of_the_network_that_is_saved(prepared: Path, tmp_path: Path):
    """Each has batch-norm statistics of its own half of the images; the file has those of the first."""
    recipe = {**RECIPE, "model.name": "cnn2", "lr": 0.0005, "runtime.num_processes": 2}
    write_params(tmp_path / "params.yaml", recipe)
    stage(tmp_path, "train", prepared, MODEL, REPORTS / "train")
    trained, data = load_model(tmp_path / MODEL), load_prepared(prepared)
    assert any("running_mean" in name for name in trained.model.state_dict())
    with torch.no_grad():
        logits = trained.model(normalize(torch.from_numpy(data.val.images), data.mean, data.std))
    loss = F.cross_entropy(logits, torch.from_numpy(data.val.labels)).item()
    told = pd.read_csv(tmp_path / REPORTS / "train/history.csv")["val_loss"].iloc[-1]
    assert told == pytest.approx(loss, rel=1e-5)  # else 2e-3


def start_endless(prepared: Path, folder: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """One that stands for DVC, below it an endless training of two processes in its epochs, and all those processes."""
    write_params(folder / "params.yaml", {**RECIPE, "epochs": 100_000, "runtime.num_processes": 2})
    command = [sys.executable, "-m", "cifar10.stages.train", str(prepared), "model.pt", "reports"]
    dvc = subprocess.Popen(
        [sys.executable, "-c", "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)", *command],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "DVC_STAGE": "train", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert dvc.stdout
    assert any(line.startswith("epoch ") for line in dvc.stdout)
    processes = psutil.Process(dvc.pid).children(recursive=True)
    assert sum("cifar10.stages.train" in process.cmdline() for process in processes) == 3  # torchrun's and its two
    return dvc, processes


def test_all_end_with_the_dvc_that_started_them(prepared: Path, tmp_path: Path):
    dvc, processes = start_endless(prepared, tmp_path)
    dvc.kill()
    dvc.wait()
    assert psutil.wait_procs(processes, timeout=20)[1] == []
    assert "Traceback" not in dvc.communicate()[1]


@pytest.mark.parametrize(("rank", "other_is_late"), [(0, False), (1, True)])
def test_one_that_is_killed_ends_the_other_and_is_told_of_on_one_line(
    prepared: Path, tmp_path: Path, rank: int, other_is_late: bool
):
    """As the kernel kills one where memory runs out: the other, which lost its connection, has nothing to say.

    Not either where it sees its loss and torchrun's SIGTERM at one time, as on a busy machine.
    """
    dvc, processes = start_endless(prepared, tmp_path)
    by_rank = {process.environ().get("RANK"): process for process in processes}
    other = by_rank[str(1 - rank)]
    if other_is_late:
        other.suspend()
    by_rank[str(rank)].kill()
    if other_is_late:
        time.sleep(1)  # torchrun looks ten times a second
        other.resume()
    told = dvc.communicate(timeout=30)[1]
    assert dvc.returncode == 1
    assert psutil.wait_procs(processes, timeout=20)[1] == []
    assert told == "error: one of the 2 processes was ended by SIGKILL; the system ends one where memory runs out\n"


def test_ctrl_c_is_answered_once(prepared: Path, tmp_path: Path):
    dvc, processes = start_endless(prepared, tmp_path)
    torchrun = next(process for process in processes if "RANK" not in process.environ())
    torchrun.send_signal(signal.SIGINT)
    told = dvc.communicate(timeout=30)[1]
    assert dvc.returncode == 1
    where = r"epoch \d+ after step \d"
    assert re.fullmatch(rf"error: interrupted in {where}; the next run goes on from its last kept state\n", told), told


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:51422."), True),
        (RuntimeError("[gloo/transport/tcp/pair.cc:545] Read error [::1]:9922: Connection reset by peer."), True),
        (torch.distributed.DistNetworkError("The client socket has timed out"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"), False),
    ],
)
def test_a_lost_connection_is_told_from_a_mistake(error: RuntimeError, is_lost: bool):
    assert is_lost_connection(error) == is_lost


def test_an_error_is_told_once_and_on_one_line(prepared: Path, tmp_path: Path):
    write_params(tmp_path / "params.yaml", {**RECIPE, "runtime.num_processes": 2, "model.stem_max_pool": True})
    done = subprocess.run(
        [sys.executable, "-m", "cifar10.stages.train", prepared, "model.pt", "reports"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: params.yaml: model.stem_max_pool: lenet has no such option; set it to null\n"
    assert not (tmp_path / "model.pt").exists()
