"""`submissions/scores.csv`: whatever happened to it, each row that can be read counts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cifar10.app.kaggle.leaderboard import SCORES, _refuse_repetition
from cifar10.app.kaggle.scores import COLUMNS, Score, find_damage, format_scores, read_scores, write_score
from cifar10.core.config import InputError


def score(reference: str, public: str, status: str = "complete", validation: str = "0.95") -> Score:
    return Score(
        "2026-01-31T12:00:00Z", reference, "workspace", "abc1234", "0" * 64, validation, public, public, status
    )


def test_scores_file_keeps_every_row_and_replaces_by_reference(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("scores.csv")
    assert read_scores(path) == []
    write_score(path, score("1", "", "pending"))
    write_score(path, score("2", "0.91"))
    write_score(path, score("1", "0.93"))
    assert read_scores(path) == [score("1", "0.93"), score("2", "0.91")]


def test_scores_table_is_best_first_with_the_gap() -> None:
    rows = [score("1", "0.91"), score("2", "", "pending"), score("3", "0.955"), score("4", "0.0", validation="")]
    lines = [line.split() for line in format_scores(rows).splitlines()]
    assert [line[-1] for line in lines] == ["reference", "3", "1", "4", "2"]
    assert lines[1][:4] == ["0.955", "0.955", "0.9500", "-0.0050"]


def test_a_damaged_line_still_says_what_was_submitted(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    SCORES.parent.mkdir()
    SCORES.write_bytes(b"<<<<<<<\nt,1,e,c,abc,high,0.9,0.9,complete\n")
    with pytest.raises(InputError, match=r"scores\.csv: line 2: not a row of this table, and says that x\.csv was"):
        _refuse_repetition(Path("x.csv"), "abc", again=False)
    _refuse_repetition(Path("x.csv"), "abc", again=True)
    _refuse_repetition(Path("x.csv"), "abd", again=False)


DAMAGE = "submissions/scores.csv: line 3: not a row of this table"
DAMAGED = [b"<<<<<<< HEAD", b"a,b", b"t,1,e,c,s,high,0.9,0.9,complete", b't,1,"e,c', b"\xff\xfe"]


@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_line_names_itself_and_costs_no_other_row(line: bytes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_score(SCORES, score("1", "0.9"))
    SCORES.write_bytes(SCORES.read_bytes() + line + b"\n \n,,\n")
    write_score(SCORES, score("2", "N/A"))
    write_score(SCORES, score("1", "0.95"))
    assert read_scores(SCORES) == [score("1", "0.95"), score("2", "N/A")]
    assert find_damage(SCORES) == [DAMAGE]
    assert line in SCORES.read_bytes().splitlines()


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(",".join(COLUMNS[:-1]) + "\nt,1,e,c,s,0.9,0.8,0.7,complete\n\n")
    (row,) = read_scores(path)
    assert (row.public, row.validation_of) == ("0.8", "")
    assert find_damage(path) == []


def test_writers_take_turns(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write_score(SCORES, score(str(n), "0.9")), range(16)))
    assert {row.reference for row in read_scores(SCORES)} == {str(n) for n in range(16)}
