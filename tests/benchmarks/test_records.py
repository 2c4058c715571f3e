import gzip
import json
from pathlib import Path

import pytest
from conftest import ROOT, write_tiny
from records import RESULTS, mean_and_deviation, read_records, table
from replicate import main
from table import with_table

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


def test_the_readmes_table_is_what_make_table_writes():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_table(text, table(EXPERIMENTS, RECORDS)) == text


def test_mean_and_sample_deviation():
    assert mean_and_deviation([0.5]) == "0.5000"
    assert mean_and_deviation([0.5, 0.6]) == "0.5500 ± 0.0707"


def test_a_row_compares_like_with_like():
    """A figure published on test images is compared with ours on test images where those labels are known."""
    recipe = Experiment(published=0.5, measured_on="test", source="", overrides={})
    run = {"seed": 0, "validation": {"accuracy": 0.4}, "test": {"accuracy": 0.6}, "train_seconds": 12.3}
    record = {"experiment": "a", "changed": {}, "runs": [run], "device": "abacus"}
    rows = table({"a": recipe, "b": recipe}, {"a": record}).splitlines()
    assert rows[2] == "| `a` | 0.5 | test | 0.4000 | 0.6000 | 1 | +10.0 | 12 | abacus |"
    assert rows[3].startswith("| `b` | 0.5 | test | not run |")
    only_validation = {**record, "runs": [{key: value for key, value in run.items() if key != "test"}]}
    assert "| -10.0 |" in table({"a": recipe}, {"a": only_validation})
    assert "not run" in table({"a": recipe}, {"a": {**record, "changed": {"epochs": 1}}})


def test_replicate_without_dvc_runs_writes_and_goes_on(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    data, out = write_tiny(tmp_path / "raw"), tmp_path / "out"
    command = ["cnn2", "lenet", "--data", str(data), "--out", str(out), "--set", "epochs=1", "--commit", "abc"]
    main([*command, "--note", "a test"])
    record = json.loads((out / "cnn2/result.json").read_text())
    assert record["changed"] == {"epochs": 1}
    assert record["images"] == {"train": 38, "validation": 10, "test": 12}
    assert record["note"] == "a test"
    assert [run["seed"] for run in record["runs"]] == [0]
    assert record["runs"][0]["images_per_second"] > 0
    assert gzip.decompress((out / "lenet/submission.csv.gz").read_bytes()).startswith(b"id,label")
    assert "| `cnn2` |" in (out / "table.md").read_text()
    capsys.readouterr()

    main([*command, "--note", "a test", "--seeds", "2"])
    assert capsys.readouterr().out.count("seed 0 is there already") == 2
    seeds = [run["seed"] for run in json.loads((out / "cnn2/result.json").read_text())["runs"]]
    assert seeds == [0, 1]

    main(["lenet", *command[2:], "--set", "ensemble.folds=2"])
    record = json.loads((out / "lenet/result.json").read_text())
    assert record["images"] == {"train": 48, "validation": 48, "test": 12}
    assert set(record["runs"][0]["test"]) == {"accuracy", "macro_f1", "member_accuracy", "gain"}


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
