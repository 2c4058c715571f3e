"""The benchmark of the data path, at a size that shows that it works and not how fast."""

import json
from pathlib import Path

import data_path
import pytest
from conftest import ROOT


def test_the_benchmark_measures_compares_and_records(tmp_path: Path, monkeypatch, capfd):
    monkeypatch.chdir(ROOT)
    arguments = ["--images", "60", "20", "--folder", f"{tmp_path}/kept", "--result", f"{tmp_path}/result.json"]
    data_path.main(arguments)
    result = json.loads((tmp_path / "result.json").read_text())
    assert list(result["rows"]) == ["prepare", "pillow", "usual", "decompression alone", "submission"]
    assert all(row["seconds"] >= 0 for row in result["rows"].values())
    assert result["images"] == {"train": 60, "test": 20, "source": "digits"}
    assert {"commit", "device", "versions"} <= result.keys()
    assert "60 + 20 digits" in capfd.readouterr().out
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["digits-60-20"]


def test_other_pixels_are_noticed(tmp_path: Path, monkeypatch):
    """The usual way on another competition stands for a decoder that errs."""
    monkeypatch.chdir(ROOT)
    for seed, name in enumerate(("one", "two")):
        data_path.synthetic_competition.build(tmp_path / name, 60, 20, None, seed)
    run = data_path.run

    def swapped(command: list, folder: Path, temporary: Path) -> dict[str, float]:
        return run(
            [tmp_path / "two" if "usual" in command and part == tmp_path / "one" else part for part in command],
            folder,
            temporary,
        )

    monkeypatch.setattr(data_path, "run", swapped)
    with pytest.raises(AssertionError, match="other pixels"):
        data_path.measure(tmp_path / "one", tmp_path / "work")
    assert not (tmp_path / "work").exists()
