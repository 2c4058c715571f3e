import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import published
import pytest
from conftest import ROOT, write_tiny
from published import GROUPS
from records import RESULTS, mean_and_deviation, read_history, read_records
from replicate import main
from study_pictures import PICTURES, draw
from table import (
    FRONT_ROWS,
    PEERS,
    SCORES,
    describe_machine,
    front_table,
    read_peers,
    read_scores,
    table,
    with_table,
)

from cifar10.app.experiments.recipes import Experiment, load_experiments

EXPERIMENTS = load_experiments(ROOT / "experiments.yaml")
RECORDS = read_records(RESULTS)


@pytest.mark.parametrize("name", RECORDS)
def test_every_committed_record_is_whole(name):
    record = RECORDS[name]
    assert record["commit"]
    assert not record["changed"]
    assert len({run["seed"] for run in record["runs"]}) == len(record["runs"]) > 0
    assert all(0 < run["validation"]["accuracy"] <= 1 for run in record["runs"])
    rows = gzip.decompress((RESULTS / name / "submission.csv.gz").read_bytes()).decode().splitlines()
    assert rows[0] == "id,label"
    assert len(rows) == len({row.split(",")[0] for row in rows}) > 10_000


@pytest.mark.parametrize("name", RECORDS)
def test_every_committed_record_is_of_todays_recipe(name):
    assert RECORDS[name]["overrides"] == EXPERIMENTS[name].overrides


def test_the_committed_tables_are_what_make_table_writes():
    scores, peers = read_scores(RESULTS / SCORES), read_peers(RESULTS / PEERS)
    front, whole = front_table(EXPERIMENTS, RECORDS, scores, peers), table(EXPERIMENTS, RECORDS, scores)
    for page, content in (("README.md", front), ("docs/results.md", whole)):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert with_table(text, content) == text


def test_mean_and_sample_deviation():
    assert mean_and_deviation([0.5]) == "0.5000"
    assert mean_and_deviation([0.5, 0.6]) == "0.5500 ± 0.0707"


RUN = {"seed": 0, "validation": {"accuracy": 0.4}, "best": {"epoch": 1, "val_accuracy": 0.45}, "train_seconds": 150}
RECORD = {"experiment": "a", "changed": {}, "runs": [RUN], "device": "abacus", "note": ""}


@pytest.mark.parametrize(
    ("measured_on", "epoch", "scores", "points"),
    [
        ("test", "last", {"a": 0.6}, "+10.0"),
        ("test", "last", {}, "-10.0 (validation)"),
        ("test", "best", {"a": 0.6}, "-5.0 (validation)"),
        ("validation", "last", {"a": 0.6}, "-10.0"),
        ("validation", "best", {}, "-5.0"),
    ],
)
def test_points_compare_like_with_like(measured_on, epoch, scores, points):
    recipe = Experiment(published=0.5, measured_on=measured_on, epoch=epoch, source="", overrides={})
    test = "0.6000" if scores else ""
    row = f"| `a` | 0.5 | {measured_on}, {epoch} | 0.4000 | 0.4500 | {test} | 1 | {points} | 2 min | abacus |"
    rows = table({"a": recipe, "b": recipe}, {"a": RECORD}, scores).splitlines()
    assert rows[2] == row.replace("|  |", "| |")
    assert rows[3].startswith(f"| `b` | 0.5 | {measured_on}, {epoch} | not run |")


def test_what_the_runs_measured_on_test_goes_before_a_score():
    recipe = Experiment(published=0.5, measured_on="test", source="", overrides={})
    record = {**RECORD, "runs": [{**RUN, "test": {"accuracy": 0.7}}]}
    assert "| 0.7000 | 1 | +20.0 |" in table({"a": recipe}, {"a": record}, {"a": 0.6})
    assert "not run" in table({"a": recipe}, {"a": {**record, "changed": {"epochs": 1}}}, {})


def test_seconds_that_several_trainings_shared_are_told_with_their_number():
    recipe = Experiment(published=None, measured_on="test", source="", overrides={})
    assert "| 2 min, 16 at once | abacus |" in table({"a": recipe}, {"a": {**RECORD, "at_once": 16}}, {})


def test_a_machine_is_told_with_its_peak():
    assert describe_machine(RECORD) == "abacus"
    peaks = {"float32": 0.388, "bfloat16": 0.8261}
    assert describe_machine({**RECORD, "peak_tflops": peaks}) == "abacus, 0.826 TFLOP/s bfloat16"


@pytest.mark.parametrize("name", PICTURES)
def test_the_studies_pictures_are_drawn_from_histories_of_recipes_that_there_are(name):
    folders = {folder for panel in PICTURES[name] for folder in panel.curves.values()}
    trials = {f"trials/{folder.name}" for folder in (RESULTS / "trials").iterdir()}
    assert folders <= EXPERIMENTS.keys() | trials
    epochs = {"seed": [0, 0, 1, 1], "epoch": [1, 2, 1, 2], "val_loss": 1.0, "train_loss": 1.0}
    history = pd.DataFrame({**epochs, "val_accuracy": [0.1, 0.2, 0.3, 0.6]})
    axes = draw(PICTURES[name], dict.fromkeys(folders, history)).axes
    for axis, panel in zip(axes, PICTURES[name], strict=True):
        lines = [np.asarray(line.get_ydata()).tolist() for line in axis.lines]
        published = [[panel.published] * 2] if panel.published else []
        mean = [0.2, 0.4] if panel.quantity == "val_accuracy" else [1.0, 1.0]
        assert lines == [mean] * len(panel.curves) + published
        assert axis.get_title() == panel.title


def test_scores_of_the_holder_are_a_table_and_may_be_missing(tmp_path: Path):
    assert read_scores(tmp_path / SCORES) == {}
    (tmp_path / SCORES).write_text("record,accuracy\ncnn3,0.7172\n")
    assert read_scores(tmp_path / SCORES) == {"cnn3": 0.7172}


def test_the_front_page_has_measured_rows_alone():
    recipe = Experiment(published=None, measured_on="validation", peer="airbench94 0.94", source="", overrides={})
    record = {**RECORD, "experiment": "fast"}
    runs = [{"accuracy": 0.93, "train_seconds": 1200.0}]
    peers = {"device": "abacus", "rows": {"airbench94": {"runs": runs}}}
    rows = front_table({"fast": recipe, "winner": recipe}, {"fast": record}, {"fast": 0.41}, peers).splitlines()
    assert rows[2:] == ["| `fast` | 0.4100 | 2 min | abacus | airbench94 0.94; here 0.9300 in 20 min |"]
    assert len(front_table(EXPERIMENTS, RECORDS, {}, {}).splitlines()) <= 2 + FRONT_ROWS
    assert "(validation)" in front_table({"fast": recipe}, {"fast": record}, {}, {})


def test_a_peers_seconds_stand_beside_ours_only_where_the_machines_are_equal():
    recipe = Experiment(published=None, measured_on="validation", peer="airbench94 0.94", source="", overrides={})
    rows = {"airbench94": {"runs": [{"accuracy": 0.93, "train_seconds": 1200.0}]}}
    peers = {"device": "abacus", "peak_tflops": {"float32": 0.23, "bfloat16": 0.46}, "rows": rows}
    quick = {**RECORD, "experiment": "fast", "peak_tflops": {"float32": 0.22, "bfloat16": 0.44}}
    for record, told in (
        (quick, True),
        ({**quick, "peak_tflops": {"float32": 0.14}}, False),
        ({**quick, "device": "slide rule"}, False),
    ):
        assert ("here 0.9300 in 20 min" in front_table({"fast": recipe}, {"fast": record}, {}, peers)) == told


def test_replicate_without_dvc_runs_writes_and_goes_on(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    data, out = write_tiny(tmp_path / "raw"), tmp_path / "out"
    command = ["cnn2", "lenet", "--data", str(data), "--out", str(out), "--set", "epochs=1", "--commit", "abc"]
    command += ["--set", "data.val_fraction=0.2"]  # the recipes' 2 % of 48 images are less than one for each class
    main([*command, "--note", "a test"])
    record = json.loads((out / "cnn2/result.json").read_text())
    assert record["changed"] == {"epochs": 1, "data.val_fraction": 0.2}
    assert record["images"] == {"train": 38, "validation": 10, "test": 12}
    assert record["note"] == "a test"
    assert [run["seed"] for run in record["runs"]] == [0]
    assert record["runs"][0]["images_per_second"] > 0
    history = read_history(out, "cnn2")
    assert history is not None
    assert {"seed", "epoch", "lr", "train_loss", "val_loss", "train_accuracy", "val_accuracy"} <= {*history.columns}
    assert gzip.decompress((out / "lenet/submission.csv.gz").read_bytes()).startswith(b"id,label")
    assert "| `cnn2` |" in (out / "table.md").read_text()
    capsys.readouterr()

    main([*command, "--note", "a test", "--seeds", "2"])
    assert capsys.readouterr().out.count("seed 0 is there already") == 2
    seeds = [run["seed"] for run in json.loads((out / "cnn2/result.json").read_text())["runs"]]
    assert seeds == [0, 1]
    assert pd.read_csv(out / "cnn2/history.csv")["seed"].tolist() == [0, 1]

    main(["lenet", *command[2:], "--set", "ensemble.folds=2"])
    record = json.loads((out / "lenet/result.json").read_text())
    assert record["images"] == {"train": 48, "validation": 48, "test": 12}
    assert set(record["runs"][0]["test"]) == {"accuracy", "macro_f1", "member_accuracy", "gain"}


def test_every_published_recipe_is_in_one_group():
    planned = [name for group in GROUPS.values() for name in group]
    own = {name for name, recipe in EXPERIMENTS.items() if recipe.source.startswith("this project")}
    assert sorted(planned) == sorted(EXPERIMENTS.keys() - own)


def test_published_passes_over_what_is_done_by_whatever_code(tmp_path: Path, capsys, monkeypatch):
    """A trial writes beside its runs, and not into the folder of the records."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(published, "GROUPS", {7: {"lenet": 1}})
    monkeypatch.setattr(published, "RESULTS", tmp_path / "results")
    data = write_tiny(tmp_path / "raw")
    command = ["--data", str(data), "--out", str(tmp_path / "out"), "--group", "7"]
    changes = ["--set", "data.val_fraction=0.2", "--set", "epochs=1"]
    published.main([*command, *changes, "--commit", "abc"])
    assert not (tmp_path / "results").exists()
    assert (tmp_path / "out/lenet/result.json").exists()
    published.main([*command, *changes, "--commit", "def"])
    assert "lenet: seed 0 is there already" in capsys.readouterr().out


def test_published_runs_recipes_side_by_side_and_one_that_fails_stops_no_other(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    command = ["--data", str(write_tiny(tmp_path / "raw")), "--out", str(tmp_path / "out")]
    command += ["--jobs", "2", "--seeds", "1"]
    recipes = ["--recipe", "lenet", "--recipe", "fast", "--recipe", "cnn2"]
    changes = ["--set", "data.val_fraction=0.2", "--set", "epochs=2", "--set", "augment.early_fraction=0.5"]
    with pytest.raises(SystemExit, match=r"^error: 2 of 3 recipes failed: lenet, cnn2$|: cnn2, lenet$"):
        published.main([*command, *recipes, *changes])
    said = capsys.readouterr().out
    assert "fast: done, " in said
    assert f"lenet: failed, see {tmp_path / 'out/lenet.log'}, " in said
    assert "lenet takes images of 32x32 pixels only" in (tmp_path / "out/lenet.log").read_text()
    record = json.loads((tmp_path / "out/fast/result.json").read_text())
    assert record["at_once"] == 2
    assert len(record["runs"]) == 1
    assert len([*(tmp_path / "out/data").iterdir()]) == 2  # one for each way to normalise


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "experiments.yaml: no experiment 'nothing'"),
        (["lenet", "--set", "epoch=1"], "epoch: params.yaml has no such key"),
    ],
)
def test_what_cannot_be_run_is_one_line(arguments, message, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match=f"^error: {message}"):
        main([*arguments, "--data", str(tmp_path), "--out", str(tmp_path / "out")])
