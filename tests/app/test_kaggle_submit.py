"""`cifar10 submit` and `cifar10 scores` against the stand-in: the true score, its record, and every way to fail."""

import csv
import gzip
import hashlib
import io
import json
import os
import pty
import subprocess
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from kaggle_behaviour import Failure
from kaggle_stand_in import SIGNATURE, TOKEN, StandIn
from kaggle_user import BIN, UserFolder
from test_kaggle_download import CASES, QUOTA, Case, failing

from cifar10.app import cli
from cifar10.app.cli import main
from cifar10.app.kaggle import sending, submissions
from cifar10.app.kaggle.scores import COLUMNS, read_scores
from cifar10.app.kaggle.sending import NOTES, OLD_NOTE
from cifar10.app.kaggle.submitted_file import parse_submission, unpack
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


RunHere = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_here(ready: UserFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunHere:
    """The command within this process, in the folder of `ready`: its exit code, output and errors."""
    monkeypatch.chdir(ready.folder)
    monkeypatch.setattr(sending, "PAUSE_SECONDS", 0.1)
    for name, value in ready.server.environment(ready.home).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = 0
        try:
            main(list(arguments))
        except SystemExit as stop:
            code = int(stop.code or 0)
        output, error = capsys.readouterr()
        for secret in (TOKEN, SIGNATURE):
            assert secret not in output + error
        return code, output, error

    return run


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

    server.behaviour.failures["ListSubmissions"] = Failure(503, retry_after="3600")
    table = ready.succeeds("cifar10", "scores")
    assert table.count("pending  ") == 2
    assert "pending rows could not be refreshed: kaggle: not available (503); run again later" in table

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
LOST = "kaggle: broke off (503); run the same command again: it takes over what Kaggle lists, and sends nothing twice"
NO_TERMINAL = "not submitted: there is no terminal to ask on; --yes submits without asking"
NO_REASON = (
    "kaggle: submission 1001 was marked as an error: no reason given; "
    "see https://www.kaggle.com/competitions/cifar-10/submissions"
)
NO_SCORE = "submit: no score yet; `cifar10 scores` asks again (submissions/scores.csv has the row)"
TAKEN_OVER = "submit: an earlier answer was lost; Kaggle has the file as 1001, nothing is sent"
SENT_AGAIN = "submit: an earlier answer was lost, and Kaggle lists no such submission: it is sent again"
UNLISTED = "1001: Kaggle does not list it in cifar-10: deleted, or another account's"
WRONG_SOURCE = "params.yaml: data.source: sample lacks the competition's test images; choose kaggle or local"

NOT_TAKEN = {
    "upload": Case(
        "kaggle: submission.csv was not submitted: the upload failed; run again",
        failing("PUT", 500),
    ),
    "quota used up": Case(CASES["quota"].message, lambda server: setattr(server.behaviour, "submissions_left", 0)),
    "quota": Case(CASES["quota"].message, failing("StartSubmissionUpload", 400, QUOTA)),
    "403": Case(CASES["403"].message, failing("CreateSubmission", 403, "You must accept this competition's rules")),
    "429": Case(CASES["429"].message, failing("StartSubmissionUpload", 429, retry_after="0")),
    "503": Case(CASES["503"].message, failing("StartSubmissionUpload", 503, retry_after="0")),
    "503 at the end": Case(
        LOST,
        failing("CreateSubmission", 503),
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


def test_limits_are_a_hint(run_here: RunHere, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kaggle says zero allowed, zero made, of a user who has no team yet; it decides itself when the file comes."""
    server.behaviour.earlier_submissions = server.behaviour.submissions_left = 0
    code, output, error = run_here("submit", "--yes")
    assert (code, "this is the first submission" in output) == (1, True)
    assert "kaggle: cifar-10: refused (400: You have used all" in error
    monkeypatch.setattr(submissions, "LIMITS_SECONDS", 1)
    for trouble in (Failure(500), Failure(200, body="null"), Failure(drips=True), Failure(hangs=True)):
        server.reset().failures["GetSubmissionLimits"] = trouble
        code, output, error = run_here("submit", "--yes", "--wait", "0")
        assert (code, error) == (0, "")
        assert "submissions left today: not known" in output
        SCORES.unlink()


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


# What Kaggle took stays taken --------------------------------------------------------------------------------------

TROUBLE = {
    "503": Failure(503),
    "dropped connection": Failure(drops=True),
    "no answer": Failure(hangs=True),
    "an answer without end": Failure(drips=True),
    "login page": Failure(200, body="<html><title>Log in</title></html>"),
    "refused": Failure(403),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_while_waiting_undoes_nothing(name: str, run_here: RunHere, server: StandIn) -> None:
    server.behaviour.failures["ListSubmissions"] = replace(TROUBLE[name])
    started = time.monotonic()
    code, output, error = run_here("submit", "--yes", "--wait", "1")
    assert (code, error) == (0, "")
    assert f"{NO_SCORE}\n" in output
    assert time.monotonic() - started < 30
    assert [row.status for row in read_scores(SCORES)] == ["pending"]

    server.behaviour.failures.clear()
    run_here("scores")
    assert run_here("scores")[1].splitlines()[1].split()[:5] == ["0.86667", "0.93333", "0.9250", "+0.0583", "complete"]


def test_trouble_that_passes_is_waited_out(run_here: RunHere, server: StandIn) -> None:
    server.behaviour.failures = {"ListSubmissions": Failure(drops=True, times=1), "PUT": Failure(drops=True, times=1)}
    server.behaviour.failures["StartSubmissionUpload"] = Failure(503, retry_after="0", times=1)
    server.behaviour.odd_entries = [
        None,
        7,
        {"ref": 5, "status": "CANCELLED", "date": "yesterday"},
        {"status": "ERROR"},
        {"ref": 6, "status": 2, "totalBytes": "9" * 5000},
    ]
    server.behaviour.pending_polls, server.behaviour.changes = 0, {"status": 1}  # COMPLETE
    code, output, _ = run_here("submit", "--yes", "--wait", "20")
    assert code == 0
    assert "public      0.86667\n" in output
    assert len(server.submissions) == 1


@pytest.mark.parametrize("answer", [{"drops": True}, {"status": 502}, {"status": 200, "body": "<html>"}])
def test_a_submission_whose_answer_is_lost_is_taken_over(answer, run_here: RunHere, server: StandIn) -> None:
    server.behaviour.failures["CreateSubmission"] = Failure(done=True, **answer)
    code, output, _ = run_here("submit", "--yes", "--wait", "20", "--message", "a  message")
    assert code == 0
    assert "the answer was lost, and Kaggle lists the file as 1001" in output
    assert [(row.reference, row.public) for row in read_scores(SCORES)] == [("1001", "0.86667")]
    assert "submitted before, as 1001" in run_here("submit", "--yes")[2]
    assert len(server.submissions) == 1


def test_the_next_run_takes_over_what_could_not_be_looked_up(run_here: RunHere, server: StandIn) -> None:
    server.behaviour.failures = {
        "CreateSubmission": Failure(done=True, drops=True),
        "ListSubmissions": Failure(503, retry_after="3600"),
    }
    code, _, error = run_here("submit", "--yes")
    assert (code, error) == (1, f"error: {LOST.replace('503', 'connection lost')}\n")
    assert read_scores(SCORES) == []
    assert run_here("submit", "--yes")[2] == "error: kaggle: not available (503); run again later\n"

    server.behaviour.failures.clear()
    code, output, _ = run_here("submit", "--wait", "20")  # nothing to ask: nothing is sent
    assert code == 0
    assert f"{TAKEN_OVER}\n" in output
    assert len(server.submissions) == 1
    assert list(NOTES.iterdir()) == []


UNANSWERED = {"CreateSubmission": Failure(done=True, drops=True), "ListSubmissions": Failure(503, retry_after="3600")}


def test_a_lost_answer_is_remembered_through_other_submissions(
    run_here: RunHere, ready: UserFolder, server: StandIn
) -> None:
    server.behaviour.failures = dict(UNANSWERED)
    for mistakes in (3, 1):
        write_submission(ready, mistakes)
        assert run_here("submit", "--yes", "--message", f"{mistakes} mistakes")[0] == 1
    (note,) = [note for note in NOTES.iterdir() if "3 mistakes" in note.read_text()]
    note.rename(OLD_NOTE)  # as an earlier version kept it

    server.behaviour.failures.clear()
    write_submission(ready, mistakes=0)
    assert run_here("submit", "--yes", "--wait", "0")[0] == 0
    for mistakes, reference in ((3, "1001"), (1, "1002")):
        write_submission(ready, mistakes)
        code, output, _ = run_here("submit", "--wait", "0")
        assert (code, f"Kaggle has the file as {reference}, nothing is sent" in output) == (0, True)
    assert [row.reference for row in read_scores(SCORES)] == ["1003", "1001", "1002"]
    assert len(server.submissions) == 3
    assert (list(NOTES.iterdir()), OLD_NOTE.exists()) == ([], False)


def test_a_refusal_says_nothing_of_an_earlier_try(run_here: RunHere, server: StandIn) -> None:
    server.behaviour.failures = dict(UNANSWERED)
    assert run_here("submit", "--yes", "--message", "first")[0] == 1
    listed_later, server.submissions = server.submissions, []
    server.behaviour.failures = {"CreateSubmission": Failure(400, QUOTA)}
    for message in ("first", "second"):
        assert "You have used all submissions" in run_here("submit", "--yes", "--message", message)[2]
    server.submissions = listed_later
    assert "Kaggle has the file as 1001" in run_here("submit", "--wait", "0")[1]
    assert list(NOTES.iterdir()) == []


def test_what_is_sent_is_what_was_checked(run_here: RunHere, ready: UserFolder, server: StandIn, monkeypatch) -> None:
    """A run may end, and write another submission.csv, while a person is asked."""
    content = SUBMISSION.read_bytes()

    def agree(what: str, yes: bool) -> bool:
        write_submission(ready, mistakes=0, rows=3)
        return True

    monkeypatch.setattr(cli, "_agrees", agree)
    assert run_here("submit", "--wait", "0")[0] == 0
    assert server.uploads == {"blob1": content}
    assert read_scores(SCORES)[0].sha256 == hashlib.sha256(content).hexdigest()


def test_what_kaggle_did_not_take_is_sent_again(run_here: RunHere, server: StandIn) -> None:
    server.behaviour.failures["CreateSubmission"] = Failure(drops=True, times=1)
    assert "run the same command again" in run_here("submit", "--yes")[2]
    code, output, _ = run_here("submit", "--yes", "--wait", "0")
    assert code == 0
    assert f"{SENT_AGAIN}\n" in output
    assert len(server.submissions) == 1


def test_two_at_once_send_a_file_once(ready: UserFolder, server: StandIn) -> None:
    both = [
        subprocess.Popen(
            [BIN / "cifar10", "submit", "--yes", "--wait", "0"],
            cwd=ready.folder,
            env=ready.variables(),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    errors = sorted(process.communicate()[1] for process in both)
    assert sorted(process.returncode for process in both) == [0, 1]
    assert errors[0] == ""
    assert "submitted before, as 1001 (pending)" in errors[1]
    assert len(server.submissions) == len(server.uploads) == len(recorded(ready)) == 1


# What Kaggle says --------------------------------------------------------------------------------------------------


def test_a_score_that_is_no_number_is_shown_as_it_is(run_here: RunHere, server: StandIn) -> None:
    server.behaviour.changes = {"publicScore": "N/A\ud800", "privateScore": None}
    code, output, _ = run_here("submit", "--yes", "--wait", "20")
    assert code == 0
    assert "public      N/A\nprivate     \nvalidation  0.9250\n" in output
    code, output, _ = run_here("scores")
    assert code == 0
    assert output.splitlines()[1].split()[:3] == ["N/A", "0.9250", "complete"]


def test_a_row_that_kaggle_does_not_list_is_told(run_here: RunHere, server: StandIn) -> None:
    assert run_here("submit", "--yes", "--wait", "0")[0] == 0
    listed = server.submissions.copy()
    server.submissions.clear()
    code, output, _ = run_here("scores")
    assert code == 0
    assert f"{UNLISTED}\n" in output
    assert [row.status for row in read_scores(SCORES)] == ["unlisted"]
    server.submissions += listed
    run_here("scores")
    run_here("scores")
    assert [row.status for row in read_scores(SCORES)] == ["complete"]


def test_an_error_without_a_reason_gives_the_page(run_here: RunHere, server: StandIn) -> None:
    server.behaviour.changes = {"status": "ERROR", "errorDescription": ""}
    assert run_here("submit", "--yes", "--wait", "20")[2] == f"error: {NO_REASON}\n"


def test_a_message_that_the_terminal_cannot_print(ready: UserFolder, server: StandIn) -> None:
    output = ready.succeeds(*SUBMIT[:3], "--message", "größer", "--wait", "0", PYTHONIOENCODING="ascii")
    assert r"as 'gr\xf6\xdfer'; submissions left" in output
    assert server.submissions[0]["description"] == "größer"


# Files -------------------------------------------------------------------------------------------------------------


def pack(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def test_a_file_of_another_run_is_recorded_without_this_ones_figures(
    run_here: RunHere, ready: UserFolder, server: StandIn
) -> None:
    mine = SUBMISSION.read_bytes()
    write_submission(ready, mistakes=1)
    SUBMISSION.rename("other.csv")
    SUBMISSION.write_bytes(mine)
    assert run_here("submit", "other.csv", "--yes", "--wait", "20")[0] == 0
    (row,) = read_scores(SCORES)
    assert (row.experiment, row.commit, row.validation_accuracy, row.public) == ("", "", "", "0.93333")
    assert server.submissions[0]["description"] == "other.csv"

    Path("copy.csv").write_bytes(mine)  # this run's file, whatever it is called
    assert run_here("submit", "copy.csv", "--yes", "--wait", "0")[0] == 0
    assert [row.experiment for row in read_scores(SCORES)] == ["", "workspace"]


def test_rows_in_another_order_are_taken(run_here: RunHere, server: StandIn) -> None:
    header, *rows = SUBMISSION.read_bytes().splitlines(keepends=True)
    Path("sorted.csv").write_bytes(header + b"".join(reversed(rows)))
    assert run_here("submit", "sorted.csv", "--yes", "--wait", "20")[0] == 0
    assert read_scores(SCORES)[0].public == "0.86667"


@pytest.mark.parametrize("suffix", [".zip", ".gz"])
def test_packed_files_are_checked_inside_and_sent_as_they_are(suffix, run_here: RunHere, server: StandIn) -> None:
    content = SUBMISSION.read_bytes()
    packed = SUBMISSION.with_name(f"submission.csv{suffix}")
    pack_it = {".zip": lambda data: pack("submission.csv", data), ".gz": gzip.compress}[suffix]
    packed.write_bytes(pack_it(content.replace(b"cat", b"lion")))
    assert run_here("submit", str(packed), "--yes")[2].endswith("'lion' is not a class of this competition\n")
    packed.write_bytes(pack_it(content)[:-20])
    assert run_here("submit", str(packed), "--yes")[2].startswith(f"error: {packed}: cannot be unpacked")
    assert server.uploads == {}

    packed.write_bytes(pack_it(content))
    assert run_here("submit", str(packed), "--yes", "--wait", "20")[0] == 0
    (row,) = read_scores(SCORES)
    assert (row.experiment, row.public, row.validation_accuracy) == ("workspace", "0.86667", "0.925")
    assert server.uploads == {"blob1": packed.read_bytes()}
    assert "submitted before, as 1001" in run_here("submit", "--yes")[2]  # the same table, unpacked


def test_a_zip_holds_one_file(tmp_path: Path) -> None:
    path = tmp_path / "two.zip"
    path.write_bytes(pack("a.csv", b""))
    assert unpack(path.read_bytes(), path) == b""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.csv", "")
    with pytest.raises(InputError, match="holds 2 files; Kaggle scores a zip of one"):
        unpack(path.read_bytes(), path)


def test_a_damaged_file_is_one_line_wherever_the_damage_is(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("a.csv", b"id,label\n1,cat\n")
            archive.writestr("__MACOSX/._a.csv", b"what the Finder adds")
        whole = buffer.getvalue()
        assert unpack(whole, tmp_path / "a.zip") == b"id,label\n1,cat\n"
        for place in range(len(whole)):
            damaged = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
            with suppress(InputError):
                assert unpack(damaged, tmp_path / "a.zip") == b"id,label\n1,cat\n"


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    table = parse_submission(b'label,id\r\ncat,1\r\n"dog",2\r\n\r\n', tmp_path)
    assert table.to_dict("list") == {"id": [1, 2], "label": ["cat", "dog"]}
