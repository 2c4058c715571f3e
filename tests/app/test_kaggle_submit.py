"""`cifar10 submit` and `cifar10 scores` against the stand-in: the true score, its record, and every way to fail."""

import csv
import hashlib
import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from kaggle_behaviour import Failure
from kaggle_stand_in import TOKEN, StandIn
from kaggle_user import BIN, UserFolder
from test_kaggle_download import CASES, QUOTA, Case, failing

from cifar10.app.cli import main
from cifar10.app.kaggle.scores import COLUMNS, Score, format_scores, read_scores, write_score
from cifar10.core.config import InputError
from cifar10.core.tables import read_table

pytest_plugins = ["kaggle_fixtures"]

SUBMISSION = Path("submissions/submission.csv")
SCORES = Path("submissions/scores.csv")
SUBMIT = ("cifar10", "submit", "--yes", "--message", "test", "--wait", "20")


@pytest.fixture
def ready(user_folder: UserFolder, competition: Path) -> UserFolder:
    """A user_folder after a run: raw files, a submission with three mistakes, and metrics."""
    raw = user_folder.folder / "data/raw"
    raw.mkdir(parents=True)
    for name in ("trainLabels.csv", "sampleSubmission.csv"):
        (raw / name).write_bytes((competition / name).read_bytes())
    write_submission(user_folder, mistakes=3)
    metrics = user_folder.folder / "reports/eval/metrics.json"
    metrics.parent.mkdir(parents=True)
    metrics.write_text(json.dumps({"validation": {"accuracy": 0.925, "images": 12}}))
    return user_folder


def write_submission(user_folder: UserFolder, mistakes: int, rows: int = 30) -> None:
    """The solution with its first labels turned into another class."""
    labels = [user_folder.server.solution[i] for i in range(1, 31)]
    labels[:mistakes] = ["dog" if label == "cat" else "cat" for label in labels[:mistakes]]
    path = user_folder.folder / SUBMISSION
    path.parent.mkdir(exist_ok=True)
    path.write_text("id,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels[:rows], 1)))


def recorded(user_folder: UserFolder) -> list[dict[str, str]]:
    path = user_folder.folder / SCORES
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


def test_submit_returns_the_true_score_and_records_it(ready: UserFolder, server: StandIn) -> None:
    output = ready.succeeds(*SUBMIT)
    assert "submissions left today: 5" in output
    assert "Kaggle took it as 1001" in output
    # Ids 1, 2 and 3 are wrong: two of the 15 odd ones, which are public, and one of the 15 even ones.
    assert "public      0.86667\nprivate     0.93333\nvalidation  0.9250   (+0.0583 against public)\n" in output
    content = (ready.folder / SUBMISSION).read_bytes()
    assert server.uploads == {"blob1": content}
    (row,) = recorded(ready)
    assert list(row) == COLUMNS
    assert row["sha256"] == hashlib.sha256(content).hexdigest()
    expected = {"reference": "1001", "public": "0.86667", "private": "0.93333", "validation_accuracy": "0.925"}
    assert row.items() >= {**expected, "status": "complete", "experiment": "workspace"}.items()

    assert ready.fails(*SUBMIT) == BEFORE
    assert len(server.submissions) == 1
    ready.succeeds(*SUBMIT, "--again")
    assert [row["reference"] for row in recorded(ready)] == ["1001", "1002"]
    assert ready.holds_token() == []


def test_score_that_stays_pending_is_fetched_later(ready: UserFolder, server: StandIn) -> None:
    server.behaviour.pending_polls = 10**9
    assert "no score yet; `cifar10 scores` asks again" in ready.succeeds(*SUBMIT[:-1], "2")
    write_submission(ready, mistakes=0)
    assert "no score yet" in ready.succeeds(*SUBMIT[:-1], "0")
    assert [row["status"] for row in recorded(ready)] == ["pending", "pending"]

    server.behaviour.failures["ListSubmissions"] = Failure(403)
    table = ready.succeeds("cifar10", "scores")
    assert table.count("pending  ") == 2
    assert "pending rows could not be refreshed: kaggle: cifar-10: no access (403)" in table

    server.behaviour.failures.clear()
    for entry in server.submissions:
        entry["polls"] = 0
    lines = ready.succeeds("cifar10", "scores").splitlines()
    assert lines[1].split()[:5] == ["1.00000", "1.00000", "0.9250", "-0.0750", "complete"]
    assert lines[2].split()[:5] == ["0.86667", "0.93333", "0.9250", "+0.0583", "complete"]
    assert [row["status"] for row in recorded(ready)] == ["complete", "complete"]


def test_submission_that_kaggle_marks_as_an_error(ready: UserFolder, server: StandIn) -> None:
    server.solution = dict.fromkeys(range(1, 41), "cat")
    assert ready.fails(*SUBMIT) == ERROR
    assert [row["status"] for row in recorded(ready)] == ["error"]
    assert ready.fails(*SUBMIT) == "submissions/submission.csv: submitted before, as 1001 (error); add --again"


# Messages that one test each provokes; docs/kaggle.md explains them.
ERROR = "kaggle: submission 1001 was marked as an error: Submission must have 40 rows"
BEFORE = "submissions/submission.csv: submitted before, as 1001 (0.86667); add --again"
NO_TERMINAL = "not submitted: there is no terminal to ask on; --yes submits without asking"
WRONG_SOURCE = "params.yaml: data.source: sample lacks the competition's test images; choose kaggle or local"

NOT_TAKEN = {
    "upload": Case(
        "kaggle: submission.csv was not submitted: the upload failed; run again",
        failing("PUT", 500),
    ),
    "quota used up": Case(
        "kaggle: cifar-10: no submission is left today; the quota is renewed at 00:00 UTC",
        lambda server: setattr(server.behaviour, "submissions_left", 0),
    ),
    "quota": Case(CASES["quota"].message, failing("StartSubmissionUpload", 400, QUOTA)),
    "403": Case(CASES["403"].message, failing("CreateSubmission", 403)),
    "429": Case(CASES["429"].message, failing("StartSubmissionUpload", 429, retry_after="0")),
    "503": Case(CASES["503"].message, failing("GetSubmissionLimits", 503, retry_after="0")),
    "503 at the end": Case(
        "kaggle: broke off (503); see https://www.kaggle.com/competitions/cifar-10/submissions before submitting again",
        failing("CreateSubmission", 503, retry_after="0"),
    ),
    "no confirmation": Case(
        "kaggle: no confirmation; see https://www.kaggle.com/competitions/cifar-10/submissions before submitting again",
        lambda server: setattr(server.behaviour, "confirms", False),
    ),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_kaggle_did_not_take_is_no_success(name: str, ready: UserFolder, server: StandIn) -> None:
    NOT_TAKEN[name].change(server)
    assert ready.fails(*SUBMIT, VERBOSE="1") == NOT_TAKEN[name].message
    assert recorded(ready) == []
    if name in ("upload", "503"):
        server.reset()
        assert "Kaggle took it as 1001" in ready.succeeds(*SUBMIT, "--wait", "0")


def test_token_in_an_answer_is_not_repeated(ready: UserFolder, server: StandIn) -> None:
    failing("StartSubmissionUpload", 400, f"no file from {TOKEN}")(server)
    assert "refused (400: no file from [secret]);" in ready.fails(*SUBMIT)


def test_first_submission_of_a_user_is_not_a_used_up_quota(ready: UserFolder, server: StandIn) -> None:
    """Kaggle says zero allowed, zero made, of a user who has no team yet."""
    server.behaviour.earlier_submissions = server.behaviour.submissions_left = 0
    assert ready.fails(*SUBMIT).startswith("kaggle: cifar-10: refused (400")  # it was tried
    assert [method for _, method, _ in server.requests][-1] == "StartSubmissionUpload"


def test_asks_before_a_submission_is_spent(ready: UserFolder, server: StandIn) -> None:
    assert ready.fails("cifar10", "submit") == NO_TERMINAL
    for answer, code in (("n", 1), ("y", 0)):
        terminal, inside = pty.openpty()
        os.write(terminal, f"{answer}\n".encode())
        result = subprocess.run(
            [BIN / "cifar10", "submit", "--wait", "0"],
            cwd=ready.folder,
            env=ready.variables(),
            stdin=inside,
            capture_output=True,
            text=True,
            check=False,
        )
        os.close(terminal)
        os.close(inside)
        assert result.returncode == code, result
        assert "submissions/submission.csv to cifar-10 as 'workspace validation 0.9250'; submiss" in result.stdout
    assert [entry["description"] for entry in server.submissions] == ["workspace validation 0.9250"]


def test_file_is_checked_before_anything_is_sent(
    ready: UserFolder, server: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ready.folder)

    def refusal() -> str:
        with pytest.raises(SystemExit) as stop:
            main(["submit", "--yes"])
        assert stop.value.code == 1
        return capsys.readouterr().err.removeprefix("error: ").rstrip("\n")

    write_submission(ready, mistakes=0, rows=29)
    assert refusal() == "submissions/submission.csv: 29 rows, data/raw/sampleSubmission.csv has 30"
    SUBMISSION.write_text(SUBMISSION.read_text().replace("cat", "lion") + "30,lion\n")
    assert refusal().endswith("'lion' is not a class of this competition")
    SUBMISSION.unlink()
    assert refusal() == "submissions/submission.csv: not found"
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("source: kaggle ", "source: sample "))
    assert refusal() == WRONG_SOURCE
    assert server.requests == []


def test_unmodified_kaggle_command_submits_the_same_file(ready: UserFolder, server: StandIn) -> None:
    command = ("kaggle", "competitions", "submit", "-c", "cifar-10", "-f", str(SUBMISSION), "-m", "by hand")
    assert "Successfully submitted" in ready.succeeds(*command)
    assert server.submissions[0]["publicScore"] == "0.86667"
    assert len(read_table(ready.folder / SUBMISSION)) == 30


def score(reference: str, public: str, status: str = "complete", validation: str = "0.95") -> Score:
    return Score(
        "2026-01-31T12:00:00Z", reference, "workspace", "abc1234", "0" * 64, validation, public, public, status
    )


def test_scores_file_keeps_every_row_and_replaces_by_reference(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    assert read_scores(path) == []
    write_score(path, score("1", "", "pending"))
    write_score(path, score("2", "0.91"))
    write_score(path, score("1", "0.93"))
    assert read_scores(path) == [score("1", "0.93"), score("2", "0.91")]


def test_scores_table_is_best_first_with_the_gap() -> None:
    rows = [score("1", "0.91"), score("2", "", "pending"), score("3", "0.955"), score("4", "0.8", validation="")]
    lines = [line.split() for line in format_scores(rows).splitlines()]
    assert [line[-1] for line in lines] == ["reference", "3", "1", "4", "2"]
    assert lines[1][:4] == ["0.955", "0.955", "0.9500", "-0.0050"]


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", "a,b", "t,1,e,c,s,high,0.9,0.9,complete"])
def test_scores_file_with_a_foreign_line_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_score(path, score("1", "0.9"))
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match="line 3: not a row of this table"):
        read_scores(path)
