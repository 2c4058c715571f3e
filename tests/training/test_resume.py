"""Trainings that are killed, stopped or damaged end with the bits of an undisturbed one."""

import dataclasses
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, train_config, write_params
from killing import Trainings, trainings

from cifar10.core.config import InputError
from cifar10.data.dataset import PreparedData
from cifar10.training.fit import fit
from cifar10.training.interrupts import stop_request
from cifar10.training.loop import train_one_epoch, validate
from cifar10.training.resume import ResumeStore, code_of, run_key
from cifar10.training.trainer import Trainer

# Batch norm, dropout, momentum, a schedule that looks back, augmentation: all that has a state.
CONFIG = train_config(
    model__name="dainet1", epochs=12, schedule__name="plateau", schedule__patience_epochs=0, lr=0.05,
    augment__cutout_size_pixels=8, augment__mixup_alpha=0.2, runtime__checkpoint_minutes=1e-9,
)  # fmt: skip
KILLS = 20


def test_killed_at_random_moments_it_ends_with_the_same_bits(tiny_prepared: Path, tmp_path: Path):
    moments, kills, runs = random.Random(0), 0, 0
    with trainings(tiny_prepared, CONFIG) as server:
        expected, seconds = run_undisturbed(server, tmp_path)
        while kills < KILLS:
            folder = tmp_path / str(runs)
            folder.mkdir()
            while (result := server.run(folder, moments.uniform(0, seconds / 2) if kills < KILLS else None)) is None:
                kills += 1
            assert result == expected
            runs += 1


def run_undisturbed(server: Trainings, folder: Path) -> tuple[str | None, float]:
    """The result of a run that nobody kills, and how long it takes."""
    (folder / "undisturbed").mkdir()
    started = time.monotonic()
    return server.run(folder / "undisturbed"), time.monotonic() - started


def stop_after(trainer: Trainer, steps: int) -> None:
    """Take some steps, as `fit` does."""
    taken = 0

    class StopError(Exception):
        pass

    def count() -> None:
        nonlocal taken
        taken += 1
        if taken == steps:
            raise StopError

    with pytest.raises(StopError):
        while True:
            trainer.end_epoch(*train_one_epoch(trainer, count), *validate(trainer))


def final_bits(trainer: Trainer, state: dict[str, Any]) -> str:
    """What is left of the training, from `state` on."""
    trainer.load_state(state)
    while trainer.epoch < trainer.config.epochs:
        trainer.end_epoch(*train_one_epoch(trainer), *validate(trainer))
    weights = b"".join(value.numpy().tobytes() for value in trainer.model.state_dict().values())
    losses = [(row.train_loss, row.train_accuracy, row.val_loss) for row in trainer.history]
    return hashlib.sha256(weights + repr(losses).encode()).hexdigest()


def test_every_part_of_the_state_is_needed(tiny_data: PreparedData):
    """Left as it is at the start, each changes the result; so a state that lacks one is noticed by the test above."""
    config = CONFIG.model_copy(update={"epochs": 3})
    broken_off = Trainer(tiny_data, config)
    stop_after(broken_off, 6)
    whole = broken_off.state()
    expected = final_bits(Trainer(tiny_data, config), Trainer(tiny_data, config).state())
    assert final_bits(Trainer(tiny_data, config), whole) == expected
    fresh = Trainer(tiny_data, config).state()
    assert set(whole) == set(fresh) == {"model", "optimizer", "epoch", "batch", "sums", "seconds", "history"}
    for part in set(whole) - {"seconds"}:
        assert final_bits(Trainer(tiny_data, config), {**whole, part: fresh[part]}) != expected, part


@pytest.fixture
def store(tmp_path: Path) -> ResumeStore:
    lines: list[str] = []
    store = ResumeStore(tmp_path, "key", {"code": "ab12"}, lines.append)
    store.lines = lines  # type: ignore[attr-defined]
    return store


def test_two_states_are_kept_and_go_with_the_run(store: ResumeStore):
    assert store.load() is None
    for number in range(5):
        store.save({"epoch": number})
    assert [path.name for path in store._states()] == ["00000003.pt", "00000004.pt"]
    assert store.load() == {"epoch": 4}
    assert code_of(store.folder) == "ab12"
    store.clear()
    assert store.load() is None
    assert not store.folder.exists()
    assert code_of(store.folder) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_state_is_told_and_the_older_one_used(store: ResumeStore, damage):
    for number in range(2):
        store.save({"epoch": number})
    path = store.folder / "00000001.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes({"cut": bytes(data)[:-9], "flipped": bytes(data), "empty": b""}[damage])
    assert store.load() == {"epoch": 0}
    assert store.lines == [f"train: {path}: damaged; an older state is used if there is one"]  # type: ignore[attr-defined]


def test_a_foreign_state_is_left_out(store: ResumeStore, tmp_path: Path):
    ResumeStore(tmp_path, "other").save({"epoch": 7})
    (tmp_path / "other").rename(tmp_path / "key")
    assert store.load() is None
    assert "the state of another run" in store.lines[0]  # type: ignore[attr-defined]


def test_the_key_tells_recipes_data_devices_and_code_apart(tiny_data: PreparedData):
    other_rows = dataclasses.replace(tiny_data, train_rows=tiny_data.train_rows[1:])
    other_images = dataclasses.replace(tiny_data.labelled, images=255 - tiny_data.labelled.images)
    keys = [
        run_key(CONFIG, tiny_data, "cpu, 2 threads", "ab12"),
        run_key(CONFIG, dataclasses.replace(tiny_data, labelled=other_images), "cpu, 2 threads", "ab12"),
        run_key(CONFIG.model_copy(update={"lr": 0.1}), tiny_data, "cpu, 2 threads", "ab12"),
        run_key(CONFIG, other_rows, "cpu, 2 threads", "ab12"),
        run_key(CONFIG, tiny_data, "cpu, 1 threads", "ab12"),
        run_key(CONFIG, tiny_data, "cpu, 2 threads", "cd34"),
    ]
    assert len(set(keys)) == 6
    harmless = CONFIG.runtime.model_copy(update={"checkpoint_minutes": 9.0, "tensorboard": True})
    assert run_key(CONFIG.model_copy(update={"runtime": harmless}), tiny_data, "cpu, 2 threads", "ab12") == keys[0]


def start_stage(folder: Path, prepared: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    environment.pop("DVC_ROOT", None)
    command = [sys.executable, "-u", "-m", "cifar10.stages.train", str(prepared), "model.pt", "reports"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_keeps_the_state_and_ends_soon_with_one_line(tiny_prepared: Path, tmp_path: Path, number):
    write_params(tmp_path / "params.yaml", {"model.name": "lenet", "epochs": 400, "batch_size": 12})
    run = start_stage(tmp_path, tiny_prepared)
    assert run.stdout
    for line in run.stdout:
        if line.startswith("epoch  20/"):
            break
    asked = time.monotonic()
    run.send_signal(number)
    errors = run.communicate(timeout=10)[1]
    assert time.monotonic() - asked < 5
    assert run.returncode == 1
    assert errors.startswith("error: interrupted in epoch ")
    assert errors.count("\n") == 1
    assert not (tmp_path / "model.pt").exists()

    again = start_stage(tmp_path, tiny_prepared)
    assert again.stdout
    assert ", going on in epoch " in again.stdout.readline()
    again.kill()
    again.communicate()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # from Python 3.12 on; the child only sleeps
def test_a_signal_to_a_forked_helper_is_its_own():
    """Also where the signal comes at once, before the child has laid down what it inherited."""
    with stop_request() as stop:
        for _ in range(100):
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(0)
            os.kill(child, signal.SIGTERM)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        time.sleep(0.2)
        assert not stop.asked


def test_a_training_that_ends_leaves_no_state_behind(tiny_prepared: Path, tmp_path: Path):
    write_params(tmp_path / "params.yaml", {"model.name": "lenet", "epochs": 1, "runtime.checkpoint_minutes": 1e-9})
    run = start_stage(tmp_path, tiny_prepared)
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert not list((tmp_path / "logs/resume").iterdir())


def test_divergence_is_no_state_to_go_on_from(tiny_data: PreparedData, tmp_path: Path):
    """The state before it stays; the same recipe diverges again, and another one has another key."""
    config = train_config(model__name="lenet", epochs=2, lr=1e30, schedule__name="constant")
    with pytest.raises(InputError, match="diverged"):
        fit(tiny_data, config, ResumeStore(tmp_path, "key"))
