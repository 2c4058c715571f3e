from pathlib import Path

import pytest

from cifar10.engine.training_log import FOLDER, file_md5, read_log, write_log


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
    (FOLDER / f"{file_md5(model)}.json").write_text("{")
    assert read_log(file_md5(model)) is None
