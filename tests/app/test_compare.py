import json
import warnings
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from conftest import ROOT

from cifar10.app.cli import main
from cifar10.app.experiments import compare
from cifar10.app.experiments.compare import (
    HISTORY,
    METRICS,
    Run,
    format_runs,
    legend_names,
    plot_runs,
    read_run,
    write_plot,
)
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
        origin.git(*arguments)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch) -> Path:
    """Two committed runs, of which this machine trained the first; the second is the last commit."""
    monkeypatch.chdir(tmp_path)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test@localhost")
    origin.git("init", "-q")
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


CURVES = pd.DataFrame(
    {"epoch": [1, 2], "lr": [0.1, 0.2], "train_loss": [3, 2], "val_loss": [4, 3], "val_accuracy": [0.5, 1]}
)


def test_curves_are_the_histories():
    runs = [Run("a", {}, CURVES, None, {}), Run("b", {}, CURVES[["epoch", "lr", "train_loss"]], None, {})]
    figure = plot_runs(runs)
    assert [len(panel.lines) for panel in figure.axes] == [2, 1, 1, 2]
    for panel, column in zip(figure.axes, compare.PANELS, strict=True):
        assert list(panel.lines[0].get_ydata()) == CURVES[column].tolist()  # type: ignore[arg-type]


def test_the_legend_begins_with_the_name_and_tells_only_what_differs():
    shared = {"optimizer.name": "sgd", "epochs": 30}
    runs = [Run(name, {}, CURVES, None, {"epochs": 30}, {"lr": lr, **shared}) for name, lr in (("a", 0.1), ("b", 0.2))]
    assert legend_names(runs) == ["a  lr=0.1", "b  lr=0.2"]
    assert legend_names(runs[:1]) == ["a"]
    many = [Run(name, {}, CURVES, None, {}, {f"some.long.key{k}": name * 20 for k in range(30)}) for name in "ab"]
    for name, text in zip("ab", legend_names(many), strict=True):
        lines = text.splitlines()
        assert lines[0].startswith(f"{name}  some.long.key0={name * 20}")
        assert lines[-1].endswith(" and 24 more")
        assert max(map(len, lines)) <= compare.LEGEND_CHARACTERS


@pytest.mark.parametrize("count", [1, 2, 40])
def test_runs_can_be_told_apart_and_the_legend_is_whole(tmp_path: Path, count):
    """Also where all lines coincide: then each is wider than the one above it."""
    settings = [{f"section.key{j}": k * 1000 for j in range(30)} for k in range(count)]
    runs = [Run(f"_run-$x$-{k}-\U0001f438", {}, CURVES, None, {}, settings[k]) for k in range(count)]
    figure = plot_runs(runs)
    write_plot(tmp_path / "a.png", runs)
    lines = figure.axes[0].lines
    handles = figure.legends[0].get_lines()
    assert len({(str(line.get_color()), str(vars(line)["_dash_pattern"])) for line in handles}) == count
    widths = [line.get_linewidth() for line in lines]
    assert widths == sorted(set(widths), reverse=True)
    with mpl.rc_context(compare.STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = plot_runs(runs)
        figure.draw_without_rendering()
        legend, page = figure.legends[0], figure.bbox
        box = legend.get_window_extent()
    assert [text.get_text().split()[0] for text in legend.get_texts()] == [run.name for run in runs]
    assert not any(text.get_parse_math() for text in legend.get_texts())
    assert page.x0 <= box.x0
    assert box.x1 <= page.x1
    assert page.y0 <= box.y0
    assert min(panel.get_window_extent().y0 for panel in figure.axes) >= box.y1


def test_only_lines_that_coincide_are_thick():
    """b leaves a after the second epoch, and c runs elsewhere."""
    curves = {"a": [3.0, 2.0, 1.0], "b": [3.0, 2.0, 1.5], "c": [3.0, 2.5, 1.0]}
    runs = [
        Run(name, {}, pd.DataFrame({"epoch": [1, 2, 3], "train_loss": losses}), None, {})
        for name, losses in curves.items()
    ]
    widths = [line.get_linewidth() for line in plot_runs(runs).axes[0].lines]
    assert widths == [compare.WIDTH + compare.STEP, compare.WIDTH, compare.WIDTH]


def test_without_validation_the_test_figures_stand():
    run = Run("a", {"test": {"accuracy": 0.25, "macro_f1": 0.2}}, pd.DataFrame(), None, {})
    assert format_runs([run]).splitlines()[1].split() == ["a", "-", "-", "0.2500", "-"]
