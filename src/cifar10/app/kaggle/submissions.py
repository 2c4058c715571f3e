"""Submitting a file, and what Kaggle says of it afterwards."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cifar10.competition.kaggle_client import SITE, call, quiet, redact
from cifar10.core.config import InputError

PAGE_SIZE = 100
MAX_PAGES = 20


@dataclass(frozen=True)
class Submission:
    """One submission as Kaggle lists it; scores are its own strings, empty where there is none (yet)."""

    reference: str
    status: str  # pending | complete | error
    public: str
    private: str
    reason: str  # why it is an error


def submissions_left(competition: str) -> int | None:
    """How many submissions today's quota still allows; None for a user who has never submitted to it.

    Kaggle counts those as zero allowed, although the first submission is welcome.
    """

    def ask(api: Any) -> int | None:
        with quiet():
            limits = api.competition_get_submission_limits(competition)
        return limits.num_allowed_now if limits.num_allowed_now or limits.num_total else None

    return call(competition, ask)


def send(competition: str, file: Path, message: str) -> str:
    """Upload `file` and submit it; return Kaggle's reference of the submission.

    Raises:
        InputError: it was refused, or the upload did not succeed, which the client reports as if it had.
    """

    def submit(api: Any) -> tuple[Any, str]:
        with quiet():
            return api.competition_submit(
                str(file), message, competition, quiet=True
            ), api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE

    answer, failed = call(competition, submit, once=True)
    if answer.message == failed:
        raise InputError(f"kaggle: {file.name} was not submitted: the upload failed; run again")
    if not answer.ref:
        raise InputError(
            f"kaggle: no confirmation; see {SITE}/competitions/{competition}/submissions before submitting again"
        )
    return str(answer.ref)


def look_up(competition: str, references: Collection[str]) -> dict[str, Submission]:
    """The submissions with these references, as far as Kaggle lists them."""
    found: dict[str, Submission] = {}
    for page in range(1, MAX_PAGES + 1):
        listed = call(competition, lambda api, page=page: _list_page(api, competition, page))
        fresh = {submission.reference: submission for submission in listed if submission.reference not in found}
        found |= fresh
        if not fresh or found.keys() >= set(references):
            break
    return {reference: found[reference] for reference in references if reference in found}


def _list_page(api: Any, competition: str, page: int) -> list[Submission]:
    with quiet():
        listed = api.competition_submissions(competition, page_number=page, page_size=PAGE_SIZE)
    return [
        Submission(
            reference=str(entry.ref),
            status=entry.status.name.lower(),
            public=entry.public_score,
            private=entry.private_score,
            reason=redact(entry.error_description),
        )
        for entry in listed or []
    ]
