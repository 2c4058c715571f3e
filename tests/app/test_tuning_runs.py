import os
import sys
from pathlib import Path

import pytest
from conftest import write_params

from cifar10.app.tuning import runs
from cifar10.app.tuning.runs import Failed, Job, Outcome, Pruned, parse_epoch, run_in_queue, run_in_turn
from cifar10.training.history import EpochResult, describe_epoch

# In place of dvc: it prints what `dvc exp run` passes through of a training, and notes how it ended.
DVC = """#!{python} -SE
import os, sys, time
if "--queue" in sys.argv or "queue" in sys.argv:
    print(*sys.argv[1:], file=open("calls", "a"))
    if "status" in sys.argv:
        print(open("status1" if open("calls").read().count("status") > 1 else "status0").read())
    sys.exit()
try:
    print("Reproducing experiment", sys.argv[6])
    for epoch in range(1, 5):
        if "lr=9.0" in sys.argv and epoch == 2:
            print("error: training diverged in epoch 2\\nERROR: failed to reproduce 'train'")
            sys.exit(255)
        print(f"epoch {{epoch}}/4  train loss 1.0 acc 0.5000  val loss 1.0 acc 0.{{epoch}}000  lr 1e-03", flush=True)
        time.sleep(60 if "lr=0.5" in sys.argv and epoch == 2 else 0)
except KeyboardInterrupt:
    open(os.environ["CIFAR10_RESUME"] + "/ended", "w").close()
    print("interrupted")
    sys.exit(255)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and a dvc that is none; each experiment has the accuracy 0.75."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path / "params.yaml", {})
    script = tmp_path / "bin/dvc"
    script.parent.mkdir()
    script.write_text(DVC.format(python=sys.executable))
    script.chmod(0o755)
    (tmp_path / "study/resume").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(runs, "read_accuracy", lambda name: 0.75)
    return tmp_path / "study"


def run(project: Path, lr: float, goes_on=lambda *told: True) -> Outcome:
    with (project / "lock").open("w") as lock:
        return run_in_turn(Job("tune-small-0", {"lr": lr}, goes_on), project, lock.fileno())


@pytest.mark.parametrize("epochs", [4, 100])
def test_the_line_of_an_epoch_is_read(epochs):
    result = EpochResult(4, 0.01, 0.02, 1.2345, 0.5, 2.5, 0.4321, 1.5, 12345.6)
    assert parse_epoch(describe_epoch(result, epochs)) == (4, epochs, 0.4321)
    without = EpochResult(4, 0.01, 0.02, 1.2345, 0.5, float("nan"), float("nan"), 1.5, 12345.6)
    assert parse_epoch(describe_epoch(without, epochs)) is None
    assert parse_epoch("train: 4 epochs in 6.0 s (validation apart), models/model.pt") is None


def test_a_run_tells_its_epochs_and_its_accuracy(project: Path, capsys):
    told: list[tuple[int, int, float]] = []
    assert run(project, 0.1, lambda *epoch: told.append(epoch) or True) == 0.75
    assert told == [(1, 4, 0.1), (2, 4, 0.2), (3, 4, 0.3), (4, 4, 0.4)]
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["1/4", "2/4", "3/4", "4/4"]
    assert (project / "tune-small-0.log").read_text().startswith("Reproducing experiment tune-small-0\nepoch 1/4")


def test_a_hopeless_run_is_ended_and_its_state_removed(project: Path):
    assert run(project, 0.5, lambda epoch, epochs, accuracy: epoch < 2) == Pruned()
    assert (project / "tune-small-0.log").read_text().endswith("interrupted\n")
    assert not (project / "resume").exists()


def test_a_diverged_run_has_its_line(project: Path):
    assert run(project, 9.0) == Failed("training diverged in epoch 2")
    assert Failed("training diverged in epoch 2").diverged
    assert not Failed("no space left on device").diverged


def test_ctrl_c_ends_the_run_in_order_and_keeps_its_state(project: Path):
    def interrupt(epoch: int, epochs: int, accuracy: float) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(project, 0.5, interrupt)
    assert (project / "resume/ended").exists()


# What `dvc queue status` prints, each time it is asked.
STATUS = """Task     Name          Created    Status
aaaaaaa  tune-small-0  04:57 PM   {0}
bbbbbbb  tune-small-1  04:57 PM   {1}
ccccccc  another       04:57 PM   Running

Worker status: {2} active, 0 idle
"""


@pytest.mark.parametrize("last", [("Success", "Failed", 1), ("Success", "Running", 0), ("Success", "Queued", 0)])
def test_the_queue_takes_all_and_what_it_loses_runs_in_turn(project: Path, monkeypatch, capsys, last):
    monkeypatch.setattr(runs, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(runs, "PATIENCE_SECONDS", 0.5)
    Path("status0").write_text(STATUS.format("Running", "Queued", 1))
    Path("status1").write_text(STATUS.format(*last))
    jobs = [Job(f"tune-small-{number}", {"lr": 0.1}, lambda *told: True) for number in range(2)]
    with (project / "lock").open("w") as lock:
        assert run_in_queue(jobs, project, lock.fileno()) == [0.75, 0.75]
    calls = Path("calls").read_text().splitlines()
    assert calls[:3] == [
        "exp run --queue --force --name tune-small-0 -S lr=0.1",
        "exp run --queue --force --name tune-small-1 -S lr=0.1",
        "queue start --jobs 2",
    ]
    assert set(calls[3:]) == {"queue status"}
    lost = last[1] != "Failed"
    assert ("tune-small-1: DVC's queue has lost it" in capsys.readouterr().out) == lost
    assert [path.name for path in project.glob("*.log")] == (["tune-small-1.log"] if lost else [])
