import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

from cifar10.app.cli import main
from cifar10.app.experiments import compare
from cifar10.app.experiments.compare import HISTORY, METRICS, Run, format_runs, plot_runs, read_run
from cifar10.core.config import InputError
from cifar10.engine.provenance import LOGS
from cifar10.evaluation import origin

LOCK = "schema: '2.0'\nstages:\n  train:\n    outs:\n    - path: models/model.pt\n      md5: {}\n"


def write_run(accuracy: float, losses: list[float], md5: str, **params: str) -> None:
    """What a run leaves that a comparison reads."""
    text = (ROOT / "params.yaml").read_text()
    for key, line in params.items():
        text = text.replace(next(old for old in text.splitlines() if old.startswith(f"{key}:")), f"{key}: {line}")
    Path("params.yaml").write_text(text)
    Path("dvc.lock").write_text(LOCK.format(md5))
    HISTORY.parent.mkdir(parents=True, exist_ok=True)
    METRICS.parent.mkdir(parents=True, exist_ok=True)
    epochs = range(1, len(losses) + 1)
    curves = {"epoch": epochs, "lr": 0.1, "train_loss": losses, "val_loss": losses, "val_accuracy": accuracy}
    pd.DataFrame(curves).to_csv(HISTORY, index=False)
    part = {"accuracy": accuracy, "macro_f1": accuracy - 0.01, "images": 10}
    METRICS.write_text(json.dumps({"validation": part}))


def commit(tag: str) -> None:
    for arguments in (("add", "-A"), ("commit", "-qm", tag), ("tag", tag)):
        origin._git(*arguments)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch) -> Path:
    """Two committed runs, of which this machine trained the first; the second is the last commit."""
    monkeypatch.chdir(tmp_path)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test@localhost")
    origin._git("init", "-q")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").touch()
    (tmp_path / ".gitignore").write_text("/logs/\n/.dvc/tmp/\n")
    write_run(0.75, [3.0, 2.0], "aa", lr="0.5", epochs="2")
    commit("first")
    write_run(0.5, [4.0], "bb")
    commit("second")
    LOGS.mkdir(parents=True)
    (LOGS / "aa.json").write_text('{"seconds": 1234.5}')
    return tmp_path


def test_runs_are_read_as_they_were(repository: Path):
    run = read_run("first")
    assert run.metrics["validation"]["accuracy"] == 0.75
    assert run.history["val_loss"].tolist() == [3.0, 2.0]
    assert run.seconds == 1234.5
    assert run.changed_params == {"lr": 0.5, "epochs": 2}
    assert read_run("second").changed_params == {}
    assert read_run("second").seconds is None


def test_the_workspace_is_a_run_too(repository: Path):
    write_run(0.875, [1.0], "cc", seed="7")
    assert read_run("workspace").metrics["validation"]["accuracy"] == 0.875
    assert read_run("workspace").changed_params == {"seed": 7}


def test_the_command_prints_a_table_and_draws(repository: Path, capsys):
    main(["compare", "first", "second", "--plot", "curves.png"])
    assert capsys.readouterr().out.splitlines() == [
        "run     accuracy  macro F1  test accuracy  seconds  parameters",
        "first   0.7500    0.7400    -              1,234    lr=0.5 epochs=2",
        "second  0.5000    0.4900    -              -",
        "",
        "curves: curves.png",
    ]
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nobody"], "error: nobody: no experiment, branch, tag or commit; `dvc exp list` tells them\n"),
        (["first", "--plot", "curves.doc"], "error: curves.doc: expected a name that ends in .png, .svg, .pdf\n"),
    ],
)
def test_what_cannot_be_compared_is_one_line(repository: Path, capsys, arguments, expected):
    with pytest.raises(SystemExit) as stop:
        main(["compare", *arguments])
    assert stop.value.code == 1
    assert capsys.readouterr().err == expected
    assert not Path("curves.doc").exists()


def test_a_run_without_results_is_one_line(repository: Path):
    METRICS.unlink()
    commit("third")
    with pytest.raises(InputError, match=r"^third: has no reports/eval/metrics\.json, or DVC's cache lost it$"):
        read_run("third")


def test_outside_a_repository_is_one_line(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^first: "):
        read_run("first")


def test_curves_are_the_histories():
    curves = {"lr": [0.1, 0.2], "train_loss": [3, 2], "val_loss": [4, 3], "val_accuracy": [0.5, 1]}
    full = pd.DataFrame({"epoch": [1, 2], **curves})
    runs = [Run("a", {}, full, None, {"lr": 0.1}), Run("b", {}, full[["epoch", "lr", "train_loss"]], None, {})]
    figure = plot_runs(runs)
    assert [len(panel.lines) for panel in figure.axes] == [2, 1, 1, 2]
    for panel, column in zip(figure.axes, compare.PANELS, strict=True):
        assert list(panel.lines[0].get_ydata()) == full[column].tolist()  # type: ignore[arg-type]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a lr=0.1", "b"]


def test_without_validation_the_test_figures_stand():
    run = Run("a", {"test": {"accuracy": 0.25, "macro_f1": 0.2}}, pd.DataFrame(), None, {})
    assert format_runs([run]).splitlines()[1].split() == ["a", "-", "-", "0.2500", "-"]
