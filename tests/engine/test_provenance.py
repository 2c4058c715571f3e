from pathlib import Path

import pytest
from conftest import ROOT

from cifar10.engine.processor import instruction_sets
from cifar10.engine.provenance import LIBRARIES, LOGS, code_digest, file_md5, machine, read_log, write_log


@pytest.fixture
def model(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pt").write_bytes(b"abc")
    return tmp_path / "model.pt"


def test_a_log_belongs_to_the_bytes_of_its_model(model: Path):
    write_log(model, {"seconds": 1.5})
    assert read_log(file_md5(model)) == {"seconds": 1.5}
    model.write_bytes(b"abd")
    assert read_log(file_md5(model)) is None
    model.write_bytes(b"abc")
    assert read_log(file_md5(model)) == {"seconds": 1.5}


def test_the_name_is_the_one_that_dvc_gives(model: Path):
    assert file_md5(model) == "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321: MD5 ("abc")


def test_a_damaged_log_is_none(model: Path):
    write_log(model, {})
    (LOGS / f"{file_md5(model)}.json").write_text("{")
    assert read_log(file_md5(model)) is None


def test_the_machine_is_told_precisely():
    told = machine()
    assert set(told["versions"]) == set(LIBRARIES)
    assert told["threads"] >= 1
    assert "cores" in told["device"] or told["device"]
    assert told["instruction_sets"] == instruction_sets()
    assert told == machine()  # a model's file has it, and must not change from run to run


def test_the_code_of_the_training_is_known_here(monkeypatch):
    monkeypatch.chdir(ROOT)
    digest = code_digest("train")
    assert digest
    assert digest != code_digest("evaluate")
