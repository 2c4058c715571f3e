"""`cifar10 tune` as it is typed, and once with the real dvc."""

import re
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, write_params
from tiny_repository import start_repository

from cifar10.app.cli import main
from cifar10.app.experiments.recipes import load_experiments
from cifar10.app.tuning import session
from cifar10.app.tuning.runs import Job, Outcome, Pruned, run_in_turn


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recipes, where a run reaches 0.9 less its learning rate."""

    def run(job: Job, folder: Path, lock: int) -> Outcome:
        assert job.settings["epochs"] == load_experiments()["winner"].overrides["epochs"]
        assert job.settings["augment.cutout_size_pixels"] in (0, 12)
        return 0.9 - job.settings["lr"]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "run_in_turn", run)
    (tmp_path / "experiments.yaml").write_bytes((ROOT / "experiments.yaml").read_bytes())
    write_params(tmp_path / "params.yaml", {})
    return tmp_path


SPACE = ("lr=0.01..0.5:log", "augment.cutout_size_pixels=0,12")


def tune(*arguments: str) -> None:
    main(["tune", *SPACE, "--experiment", "winner", *arguments])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["tune", *arguments])
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_the_best_set_becomes_a_recipe_and_the_rest_of_the_file_stays(project: Path, capsys):
    path = Path("experiments.yaml")
    before, known = path.read_text(), load_experiments()
    tune("--trials", "4")
    out = capsys.readouterr().out
    assert "trial 0  lr=0.2 augment.cutout_size_pixels=12\n" in out
    assert path.read_text().startswith(before)
    entry = load_experiments()["tune_winner"]
    table = out.split("\n\n")[-2].splitlines()
    best = {key: entry.overrides[key] for key in ("lr", "augment.cutout_size_pixels")}
    assert table[1].endswith(" ".join(f"{key}={value}" for key, value in best.items()))
    assert entry.overrides == {**known["winner"].overrides, **entry.overrides}
    assert entry.source.endswith(f"best of 4 trials, validation accuracy {0.9 - entry.overrides['lr']:.4f}")
    tune("--trials", "6")
    assert "best of 6 trials" in load_experiments()["tune_winner"].source
    assert path.read_text().startswith(before)
    assert len(load_experiments()) == len(known) + 1


def test_what_will_not_do_is_told_before_anything_runs(project: Path, capsys, monkeypatch):
    monkeypatch.delattr(session, "run_in_turn")
    assert refused(capsys, "lr=0..1") == "error: lr=0..1: lr: input should be greater than 0, not 0.0\n"
    assert "no experiment 'winer'; there are winner" in refused(capsys, *SPACE, "--experiment", "winer")
    taken = "error: experiments.yaml: resnet9 is there already, of another origin; choose another --name\n"
    assert refused(capsys, *SPACE, "--name", "resnet9") == taken
    assert "error: --study a/b: expected letters" in refused(capsys, *SPACE, "--study", "a/b")
    write_params(project / "params.yaml", {"data.val_fraction": 0.0})
    assert "data.val_fraction: a search needs validation images, and it is 0" in refused(capsys, *SPACE)
    assert not (project / "logs").exists()


def test_without_optuna_it_says_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setattr("cifar10.app.commands.tune.find_spec", lambda name: None)
    assert refused(capsys, *SPACE) == "error: optuna is not installed; `pip install -e '.[tune]'` brings it\n"


def test_two_searches_do_not_share_a_study(project: Path, capsys):
    with session.only_one(Path("logs/tune/winner")):
        message = refused(capsys, *SPACE, "--experiment", "winner")
    assert message == "error: logs/tune/winner: a search is at work there, or the run of a killed one still ends\n"


def test_an_interrupted_search_tells_what_it_has(project: Path, capsys, monkeypatch):
    outcomes = iter([0.5, 0.6])

    def run(job: Job, folder: Path, lock: int) -> Outcome:
        try:
            return next(outcomes)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(session, "run_in_turn", run)
    with pytest.raises(SystemExit) as stop:
        tune("--trials", "4")
    assert stop.value.code == 1
    out, err = capsys.readouterr()
    assert "interrupted" in out
    assert err == "error: interrupted\n"
    assert load_experiments()["tune_winner"].source.endswith("best of 2 trials, validation accuracy 0.6000")


def best_told(out: str) -> float:
    """The highest accuracy that a trial told."""
    return max(float(number) for number in re.findall(r"^trial \d  accuracy (\S+),", out, re.MULTILINE))


# The training is the real one; the other stages, which a search only waits for, are left out.
PIPELINE = """
stages:
  train:
    cmd: python -m cifar10.stages.train data/prepared models/model.pt reports/train
    deps: [data/prepared]
    params: [epochs, lr]
    outs: [models/model.pt, reports/train]
  evaluate:
    cmd: python measure.py
    deps: [reports/train]
    metrics: [reports/eval/metrics.json]
"""
MEASURE = """
import json
import pathlib

trained = json.loads(pathlib.Path("reports/train/metrics.json").read_text())
pathlib.Path("reports/eval").mkdir(exist_ok=True)
measured = {"validation": {"accuracy": trained["last"]["val_accuracy"]}}
pathlib.Path("reports/eval/metrics.json").write_text(json.dumps(measured))
"""


def test_with_the_real_dvc(tmp_path: Path, tiny_prepared: Path, monkeypatch):
    """One trial; then a run that is broken off, of which nothing is left, neither in DVC's folders nor in ours."""
    shutil.copytree(tiny_prepared, tmp_path / "data/prepared")
    write_params(tmp_path / "params.yaml", {"model.name": "lenet", "epochs": 2, "batch_size": 12})
    recipes = "one: {published: 0.5, measured_on: test, source: a test, overrides: {}}\n"
    files = {"dvc.yaml": PIPELINE, "measure.py": MEASURE, "experiments.yaml": recipes}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    environment, run = start_repository(tmp_path, ROOT / "src")
    out = run("cifar10", "tune", "lr=0.01,0.02", "--trials", "1", "--study", "small")
    assert out.count("  epoch 2/2  ") == 1
    best = load_experiments(tmp_path / "experiments.yaml")["tune_small"]
    assert list(best.overrides) == ["lr"]
    assert best.source.endswith(f"validation accuracy {best_told(out):.4f}")
    monkeypatch.chdir(tmp_path)
    for key in ("PATH", "PYTHONPATH"):
        monkeypatch.setenv(key, environment[key])
    study = tmp_path / "logs/tune/small"
    with (study / "lock").open() as lock:
        job = Job("tune-small-9", {"epochs": 2000}, lambda epoch, epochs, accuracy: epoch < 2)
        assert run_in_turn(job, study, lock.fileno()) == Pruned()
    assert "error: interrupted in epoch " in (study / "tune-small-9.log").read_text()
    assert not [path for path in (tmp_path / ".dvc/tmp/exps/standalone").iterdir() if path.name.startswith("tmp")]
    assert not (study / "resume").exists()
    assert not (tmp_path / "logs/resume").exists()
    assert sorted(run("dvc", "exp", "list", "--name-only").split()) == ["tune-small-0"]
