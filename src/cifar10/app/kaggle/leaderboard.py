"""From a checked file to its score on the leaderboard, and the record of both."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from cifar10.app.experiments.recipes import format_settings
from cifar10.app.kaggle.scores import Score, format_scores, read_scores, write_score
from cifar10.app.kaggle.submissions import Submission, look_up, send, submissions_left
from cifar10.app.paths import METRICS
from cifar10.core.config import PARAMS, DataConfig, InputError, load_config
from cifar10.core.tables import read_table
from cifar10.evaluation import origin
from cifar10.submission import check_submission

SAMPLE = Path("data/raw/sampleSubmission.csv")
LABELS = Path("data/raw/trainLabels.csv")
SCORES = Path("submissions/scores.csv")

MAX_MESSAGE_CHARACTERS = 500
MAX_POLL_SECONDS = 10.0


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
    competition = _competition_of(load_config(DataConfig, section="data"))
    check_submission(read_table(file), SAMPLE, set(read_table(LABELS)["label"]), file)
    digest = _new_digest(file, again)
    experiment, commit, validation = origin.experiment(), origin.commit(), _validation_accuracy()
    message = message or describe(experiment, commit, validation)
    _ask(competition, file, message, confirm)

    row = Score(
        time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        reference=send(competition, file, message),
        experiment=experiment,
        commit=commit,
        sha256=digest,
        validation_accuracy=validation,
        public="",
        private="",
        status="pending",
    )
    print(f"submit: Kaggle took it as {row.reference}", flush=True)
    write_score(SCORES, row)
    answer = _wait(competition, row.reference, wait_seconds)
    if answer is None:
        return f"submit: no score yet; `cifar10 scores` asks again ({SCORES} has the row)"
    return _finish(row, answer)


def describe(experiment: str, commit: str, validation_accuracy: str) -> str:
    """The default description: experiment, commit, parameters that differ from the commit's, validation accuracy."""
    changed = format_settings(origin.changed_params())
    accuracy = [f"validation {float(validation_accuracy):.4f}"] if validation_accuracy else []
    return " ".join([experiment, *filter(None, [commit, changed]), *accuracy])[:MAX_MESSAGE_CHARACTERS]


def show_scores() -> str:
    """The table of all submissions, best first, after asking Kaggle for the scores that were pending."""
    rows = read_scores(SCORES)
    if not rows:
        raise InputError(f"{SCORES}: no submissions yet; `cifar10 submit` makes one")
    pending = {row.reference: row for row in rows if row.status == "pending"}
    notes = []
    if pending:
        try:
            answers = look_up(load_config(DataConfig, section="data").competition, pending)
            for answer in answers.values():
                write_score(SCORES, _scored(pending[answer.reference], answer))
                if answer.status == "error":
                    notes.append(f"{answer.reference}: {answer.reason}")
        except InputError as error:  # the table is worth having without them
            notes.append(f"pending rows could not be refreshed: {error}")
    return "\n".join([format_scores(read_scores(SCORES)), *notes])


def _competition_of(data: DataConfig) -> str:
    if data.source not in ("kaggle", "local"):
        raise InputError(
            f"{PARAMS}: data.source: {data.source} lacks the competition's test images; choose kaggle or local"
        )
    return data.competition


def _new_digest(file: Path, again: bool) -> str:
    """The file's sha256, which no earlier submission has (unless `again`)."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for row in read_scores(SCORES):
        if row.sha256 == digest and not again:
            raise InputError(f"{file}: submitted before, as {row.reference} ({row.public or row.status}); add --again")
    return digest


def _ask(competition: str, file: Path, message: str, confirm: Callable[[str], bool]) -> None:
    left = submissions_left(competition)
    if left == 0:
        raise InputError(f"kaggle: {competition}: no submission is left today; the quota is renewed at 00:00 UTC")
    quota = "this is the first submission" if left is None else f"submissions left today: {left}"
    if not confirm(f"{file} to {competition} as {message!r}; {quota}"):
        raise InputError(f"{file}: not submitted")


def _wait(competition: str, reference: str, seconds: int) -> Submission | None:
    """Ask for the score until there is one or the time is up; None if there is none yet."""
    started, pause = time.monotonic(), 1.0
    with tqdm(total=seconds, desc="waiting for the score", disable=None, bar_format="{desc}: {elapsed}") as bar:
        if bar.disable and seconds:
            print(f"submit: waiting up to {seconds} s for the score", flush=True)
        while (left := started + seconds - time.monotonic()) > 0:
            answer = look_up(competition, [reference]).get(reference)
            if answer and answer.status != "pending":
                return answer
            time.sleep(min(pause, left))
            pause = min(2 * pause, MAX_POLL_SECONDS)
            bar.refresh()
    return None


def _finish(pending: Score, answer: Submission) -> str:
    row = _scored(pending, answer)
    write_score(SCORES, row)
    if row.status == "error":
        raise InputError(f"kaggle: submission {row.reference} was marked as an error: {answer.reason}")
    validation = f"{float(row.validation_accuracy):.4f}" if row.validation_accuracy else "not known"
    gap = "" if row.gap is None else f"   ({row.gap:+.4f} against public)"
    return f"public      {row.public}\nprivate     {row.private}\nvalidation  {validation}{gap}"


def _scored(row: Score, answer: Submission) -> Score:
    return replace(row, public=answer.public, private=answer.private, status=answer.status)


def _validation_accuracy() -> str:
    """As the stage `evaluate` wrote it, empty where there is no validation part."""
    try:
        return str(json.loads(METRICS.read_text())["validation"]["accuracy"])
    except (FileNotFoundError, KeyError):
        return ""
    except ValueError:
        raise InputError(f"{METRICS}: not whole; `dvc repro` makes it anew") from None
