"""From a checked file to its score on the leaderboard, and the record of both."""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from cifar10.app.experiments.recipes import format_settings
from cifar10.app.kaggle.recipe_run import params_of_run
from cifar10.app.kaggle.scores import (
    Score,
    as_number,
    find_damage,
    format_scores,
    format_validation,
    read_scores,
    write_score,
)
from cifar10.app.kaggle.sending import Sent, forget, send, take_over
from cifar10.app.kaggle.submissions import Submission, authenticate, format_limits, look_up, time_limit
from cifar10.app.kaggle.submitted_file import Origin, find_origin, parse_submission, read_file, unpack
from cifar10.competition.kaggle_client import WHAT_IS_LISTED
from cifar10.core.config import PARAMS, DataConfig, InputError, load_config
from cifar10.core.locks import LOCKS, lock
from cifar10.core.tables import read_table
from cifar10.evaluation.origin import changed_params
from cifar10.submission import check_submission

SAMPLE = Path("data/raw/sampleSubmission.csv")
LABELS = Path("data/raw/trainLabels.csv")
SCORES = Path("submissions/scores.csv")

MAX_MESSAGE_CHARACTERS = 500
MAX_POLL_SECONDS = 10.0
SEND_SECONDS = 60.0  # another one has that long for its 3 MB


def submit(
    file: Path, confirm: Callable[[str], bool], message: str | None, wait_seconds: int, again: bool = False
) -> str:
    """Check `file`, submit it if `confirm` agrees, wait for its score and record it; return what was reached.

    `confirm` is asked a question that names the file, its description and what is left of today's quota. A row of
    `scores.csv` is there as soon as Kaggle has taken the file, so a score not waited for is never lost.

    Raises:
        InputError: the file is not valid or was submitted before (unless `again`), no submission is left, Kaggle
            refused or marked it as an error. Nothing is recorded unless Kaggle took the file.
    """
    # --- check the file ---
    competition = _competition_of(load_config(DataConfig, section="data"))
    content = read_file(file)
    table = unpack(content, file)
    check_submission(parse_submission(table, file), SAMPLE, set(read_table(LABELS)["label"]), file)
    digest = hashlib.sha256(table).hexdigest()
    _refuse_repetition(file, digest, again)
    origin = find_origin(table)
    message = _encodable(message) if message else describe(file, origin)

    with lock(LOCKS / "submit", SEND_SECONDS):  # one process at a time
        _refuse_repetition(file, digest, again)  # another one may have sent it meanwhile
        recorded = [row.reference for row in read_scores(SCORES)]

        # --- ask ---
        authenticate(competition)
        sent = Sent(competition, digest, file.name, len(content), message)
        reference = take_over(sent, recorded)
        if reference is None and not confirm(f"{file} to {competition} as {message!r}; {format_limits(competition)}"):
            raise InputError(f"{file}: not submitted")

        # --- send and record ---
        reference = reference or send(content, sent, recorded)
        row = Score(
            time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            reference=reference,
            sha256=digest,
            public="",
            private="",
            status="pending",
            **asdict(origin),
        )
        print(f"submit: Kaggle took it as {row.reference}", flush=True)
        try:
            write_score(SCORES, row)
        except OSError as error:
            raise InputError(f"{SCORES}: {error.strerror}; Kaggle took the file: mend this, {WHAT_IS_LISTED}") from None
        forget(sent)

    # --- wait for the score ---
    answer = _wait(competition, row.reference, wait_seconds)
    if answer is None:
        return f"submit: no score yet; `cifar10 scores` asks again ({SCORES} has the row)"
    return _finish(row, answer)


def describe(file: Path, origin: Origin) -> str:
    """The default description: experiment, commit, parameters that differ from the commit's, validation accuracy.

    Of a file that is not the last run's, its name.
    """
    if not origin.experiment:
        return file.name
    changed = format_settings(changed_params(params_of_run()))
    validation = as_number(origin.validation_accuracy)
    of = f" of {origin.validation_of}" if origin.validation_of else ""
    accuracy = "" if validation is None else f"validation {validation:.4f}{of}"
    room = MAX_MESSAGE_CHARACTERS - len(f"{origin.experiment} {origin.commit}  {accuracy}")
    if len(changed) > room:
        changed = f"{changed[: room - 3]}..."
    return " ".join(filter(None, [origin.experiment, origin.commit, changed, accuracy]))


def show_scores() -> str:
    """The table of all submissions, best first, after asking Kaggle for the scores that were pending."""
    damage = find_damage(SCORES)
    rows = read_scores(SCORES)
    if not rows and not damage:
        raise InputError(f"{SCORES}: no submissions yet; `cifar10 submit` makes one")
    open_rows = {row.reference: row for row in rows if row.status in ("pending", "unlisted")}
    notes: list[str] = []
    if open_rows:
        try:
            notes = _refresh(load_config(DataConfig, section="data").competition, open_rows)
        except InputError as error:  # the table is worth having without them
            notes = [f"pending rows could not be refreshed: {error}"]
    return "\n".join([format_scores(read_scores(SCORES)), *notes, *damage])


def _refresh(competition: str, rows: dict[str, Score]) -> list[str]:
    """Bring rows up to date with Kaggle's list; what there is to say about them."""
    notes = []
    answers = look_up(competition, rows)
    for reference, row in rows.items():
        if reference in answers:
            write_score(SCORES, _scored(row, answers[reference]))
            if answers[reference].status == "error":
                notes.append(f"{reference}: {answers[reference].reason}")
        else:
            write_score(SCORES, replace(row, status="unlisted"))
            notes.append(f"{reference}: Kaggle does not list it in {competition}: deleted, or another account's")
    return notes


def _competition_of(data: DataConfig) -> str:
    if data.source not in ("kaggle", "local"):
        raise InputError(
            f"{PARAMS}: data.source: {data.source} lacks the competition's test images; choose kaggle or local"
        )
    return data.competition


def _refuse_repetition(file: Path, digest: str, again: bool) -> None:
    """Raise InputError where an earlier submission has the digest (unless `again`), in a damaged line too."""
    if again:
        return
    for row in read_scores(SCORES):
        if row.sha256 == digest:
            raise InputError(f"{file}: submitted before, as {row.reference} ({row.public or row.status}); add --again")
    for damage in find_damage(SCORES, digest):
        raise InputError(f"{damage}, and says that {file} was submitted before; mend it, or add --again")


def _encodable(message: str) -> str:
    try:
        message.encode()
    except UnicodeEncodeError:
        raise InputError("--message: has bytes that are no text in this terminal's encoding") from None
    return message


def _wait(competition: str, reference: str, seconds: int) -> Submission | None:
    """Ask for the score until there is one or the time is up, through whatever trouble; None if there is none yet.

    Kaggle has taken the file: nothing that happens from here on makes it undone.
    """
    deadline, pause, trouble = time.monotonic() + seconds, 1.0, ""
    with tqdm(total=seconds, desc="waiting for the score", disable=None, bar_format="{desc}: {elapsed}") as bar:
        if bar.disable and seconds:
            print(f"submit: waiting up to {seconds} s for the score", flush=True)
        with suppress(KeyboardInterrupt, TimeoutError), time_limit(seconds):  # Ctrl-C ends the waiting alone
            while time.monotonic() < deadline:
                trouble = ""
                try:
                    answer = look_up(competition, [reference], deadline).get(reference)
                    if answer and answer.status != "pending":
                        return answer
                except (InputError, OSError) as error:
                    trouble = str(error)
                time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
                pause = min(2 * pause, MAX_POLL_SECONDS)
                bar.refresh()
    if trouble:
        print(f"submit: {trouble}", flush=True)
    return None


def _finish(pending: Score, answer: Submission) -> str:
    row = _scored(pending, answer)
    write_score(SCORES, row)
    if row.status == "error":
        raise InputError(f"kaggle: submission {row.reference} was marked as an error: {answer.reason}")
    gap = "" if row.gap is None else f"   ({row.gap:+.4f} against public)"
    validation = format_validation(row) or "not known"
    return f"public      {row.public}\nprivate     {row.private}\nvalidation  {validation}{gap}"


def _scored(row: Score, answer: Submission) -> Score:
    return replace(row, public=answer.public, private=answer.private, status=answer.status)
