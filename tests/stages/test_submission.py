from pathlib import Path

import pytest

from cifar10.core.config import InputError
from cifar10.core.tables import read_table
from cifar10.submission import check_submission, write_submission

CLASSES = ["cat", "dog"]


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sampleSubmission.csv"
    path.write_bytes(b"id,label\r\n10,cat\r\n2,cat\r\n1,cat\r\n")
    return path


def test_rows_follow_the_sample(tmp_path: Path, sample: Path):
    path = tmp_path / "submission.csv"
    write_submission(path, {1: "dog", 2: "cat", 10: "dog", 99: "cat"}, sample, CLASSES)
    assert path.read_bytes() == b"id,label\n10,dog\n2,cat\n1,dog\n"
    check_submission(read_table(path), sample, CLASSES, path)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({1: "dog", 10: "dog"}, "{sample}: id 2 has no image in test.7z (1 such ids)"),
        ({1: "dog", 2: "cow", 10: "dog"}, "{path}: id 2: 'cow' is not a class of this competition"),
    ],
)
def test_an_invalid_table_replaces_nothing(tmp_path: Path, sample: Path, labels, expected):
    path = tmp_path / "submission.csv"
    path.write_text("earlier")
    with pytest.raises(InputError) as error:
        write_submission(path, labels, sample, CLASSES)
    assert str(error.value) == expected.format(path=path, sample=sample)
    assert path.read_text() == "earlier"
