"""Sending a file to Kaggle once: also where an answer is lost, or the process ends before it comes.

What is about to be submitted is noted before Kaggle is asked to take it, and forgotten when its row is written. A note
that is still there means that Kaggle may have taken the file: then its list is asked before anything is sent. Each
has a file of its own, for other submissions may come before this one's is looked for.
"""

import hashlib
import io
import json
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

from cifar10.app.kaggle.submissions import Submission, find_same, time_limit
from cifar10.competition.kaggle_client import TIMEOUT_SECONDS, WHAT_IS_LISTED, call, quiet
from cifar10.competition.kaggle_errors import AnswerLostError, BrokenOffError, redact
from cifar10.core.config import InputError
from cifar10.core.files import atomic_write

NOTES = Path("logs/unanswered_submissions")
OLD_NOTE = Path("logs/unanswered_submission.json")  # of versions that kept one alone
LOOKS = 2  # for a submission whose answer was lost, before the next run has to
PAUSE_SECONDS, LOOK_SECONDS = 2.0, 10


@dataclass(frozen=True)
class Sent:
    """What Kaggle is asked to take."""

    competition: str
    sha256: str
    file_name: str
    size_bytes: int
    message: str

    def note(self) -> Path:
        """Where it is noted: the same file sent with other words may be another of Kaggle's submissions."""
        return NOTES / f"{hashlib.sha256(repr(self).encode()).hexdigest()}.json"


def take_over(sent: Sent, recorded: Collection[str]) -> str | None:
    """The reference of this file's submission, if an earlier run did not see its answer and Kaggle lists it.

    Raises:
        InputError: there was such a run, and Kaggle's list cannot be read.
    """
    notes = _notes_of(sent)
    for _, earlier in notes:
        if same := _find(earlier, recorded):
            print(f"submit: an earlier answer was lost; Kaggle has the file as {same.reference}, nothing is sent")
            return same.reference
    if notes:
        print("submit: an earlier answer was lost, and Kaggle lists no such submission: it is sent again", flush=True)
    return None


def send(content: bytes, sent: Sent, recorded: Collection[str]) -> str:
    """Upload the file's content and submit it; return Kaggle's reference. `forget` has to follow once that is recorded.

    Raises:
        AnswerLostError: Kaggle may have taken it, and does not list it (yet).
        InputError: it was refused, or the upload did not succeed.
    """
    token = call(sent.competition, lambda api: _upload(api, sent, content))
    note = sent.note()
    is_first = not note.exists()
    atomic_write(note, json.dumps(asdict(sent)))
    try:
        answer = call(sent.competition, lambda api: _create(api, sent, token), once=True)
        if answer.ref:
            return str(answer.ref)
        raise AnswerLostError(f"kaggle: no confirmation ({redact(str(answer.message))}); {WHAT_IS_LISTED}")
    except AnswerLostError:
        for look in range(LOOKS):
            time.sleep(PAUSE_SECONDS * look)
            with suppress(InputError, TimeoutError), time_limit(LOOK_SECONDS):
                if same := _find(sent, recorded, deadline=time.monotonic() + LOOK_SECONDS):
                    print(f"submit: the answer was lost, and Kaggle lists the file as {same.reference}", flush=True)
                    return same.reference
        raise
    except InputError:
        if is_first:  # refused: Kaggle has not taken it, but may have taken an earlier one
            note.unlink()
        raise


def forget(sent: Sent) -> None:
    """Drop every note of this file: its submission is recorded."""
    for note, _ in _notes_of(sent):
        note.unlink()


def _find(sent: Sent, recorded: Collection[str], deadline: float | None = None) -> Submission | None:
    return find_same(sent.competition, sent.file_name, sent.size_bytes, sent.message, recorded, deadline)


def _notes_of(sent: Sent) -> list[tuple[Path, Sent]]:
    """The notes of this file in this competition, whatever it was called and described as."""
    found = []
    for note in [OLD_NOTE, *sorted(NOTES.glob("*.json"))]:
        with suppress(FileNotFoundError, ValueError, TypeError):  # the last two: of another version
            earlier = Sent(**json.loads(note.read_text()))
            if (earlier.competition, earlier.sha256) == (sent.competition, sent.sha256):
                found.append((note, earlier))
    return found


def _upload(api: Any, sent: Sent, content: bytes) -> str:
    """Start an upload and send the bytes; return what `CreateSubmission` takes for them. Nothing is submitted by it."""
    from kagglesdk.competitions.types.competition_api_service import ApiStartSubmissionUploadRequest

    request = ApiStartSubmissionUploadRequest()
    request.competition_name, request.file_name = sent.competition, sent.file_name
    request.content_length = sent.size_bytes
    request.last_modified_epoch_seconds = int(time.time())
    with quiet(), api.build_kaggle_client() as client:
        start = client.competitions.competition_api_client.start_submission_upload(request)
    failed = BrokenOffError(f"{sent.file_name} was not submitted: the upload failed; run again")
    try:
        body = io.BytesIO(content)  # sent in blocks, each with its time; bytes would have one limit for all
        response = requests.put(start.create_url, data=body, timeout=TIMEOUT_SECONDS)
    except requests.exceptions.SSLError:
        raise
    except (requests.ConnectionError, requests.Timeout):
        raise failed from None
    if 400 <= response.status_code < 500:
        response.raise_for_status()
    if response.status_code not in (200, 201):
        raise failed
    return str(start.token)


def _create(api: Any, sent: Sent, token: str) -> Any:
    """The one call that spends a submission."""
    from kagglesdk.competitions.types.competition_api_service import ApiCreateSubmissionRequest

    request = ApiCreateSubmissionRequest()
    request.competition_name, request.blob_file_tokens = sent.competition, token
    request.submission_description = sent.message
    with quiet(), api.build_kaggle_client() as client:
        return client.competitions.competition_api_client.create_submission(request)
