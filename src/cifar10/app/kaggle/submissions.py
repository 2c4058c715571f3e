"""What Kaggle says of an account's submissions: which there are, with which scores, and how many are left today."""

import math
import signal
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from cifar10.competition.kaggle_client import ATTEMPTS, TIMEOUT_SECONDS, call, quiet
from cifar10.competition.kaggle_errors import SITE, redact
from cifar10.core.config import InputError

PAGE_SIZE = 100
MAX_PAGES = 20
MAX_SCORE_CHARACTERS = 20
LIMITS_SECONDS = 10  # what is only a hint is not waited for
STATUSES = ("pending", "complete", "error")  # in the order of their numbers


@dataclass(frozen=True)
class Submission:
    """One submission as Kaggle lists it; scores are its own words, empty where there are none (yet)."""

    reference: str
    status: str  # pending | complete | error
    public: str
    private: str
    reason: str  # why it is an error; where Kaggle says none, the page to look at
    file_name: str
    description: str
    size_bytes: int | None


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError inside when the time is up: the client's own limits are for each byte of an answer."""

    def stop(number: int, frame: object) -> NoReturn:
        raise TimeoutError

    if not seconds or not hasattr(signal, "setitimer"):  # Windows has none
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def authenticate(competition: str) -> None:
    """Raise InputError where there are no credentials, Kaggle refuses them or cannot be reached."""
    call(competition, lambda api: None)


def format_limits(competition: str) -> str:
    """How many submissions today's quota still allows, for people; Kaggle itself decides when it is asked.

    Kaggle counts zero allowed, and zero made, of a user who has no team yet, and the first submission is welcome.
    """

    def ask(api: Any) -> Any:
        with quiet():
            return api.competition_get_submission_limits(competition)

    try:
        with time_limit(LIMITS_SECONDS):
            limits = call(competition, ask, attempts=1)
    except (InputError, TimeoutError):
        return "submissions left today: not known"
    is_first = not limits.num_allowed_now and not limits.num_total
    return "this is the first submission" if is_first else f"submissions left today: {limits.num_allowed_now}"


def look_up(competition: str, references: Collection[str], deadline: float | None = None) -> dict[str, Submission]:
    """The submissions with these references, as far as Kaggle lists them.

    With a `deadline` (of `time.monotonic`) each question is asked once, and ends by then.
    """
    found: dict[str, Submission] = {}
    for page in _pages(competition, deadline):
        found |= {submission.reference: submission for submission in page}
        if found.keys() >= set(references):
            break
    return {reference: found[reference] for reference in references if reference in found}


def find_same(
    competition: str,
    file_name: str,
    size_bytes: int,
    description: str,
    but: Collection[str],
    deadline: float | None = None,
) -> Submission | None:
    """The latest submission of this file name, size and description whose reference is none of `but`."""
    for submission in (submission for page in _pages(competition, deadline) for submission in page):
        is_same = submission.file_name == file_name and submission.description == _one_line(description)
        if is_same and submission.size_bytes in (size_bytes, None) and submission.reference not in but:
            return submission
    return None


def _pages(competition: str, deadline: float | None = None) -> Iterator[list[Submission]]:
    """Pages of submissions, the latest first, until one brings nothing new."""
    seen: set[str] = set()
    for page in range(1, MAX_PAGES + 1):
        left = math.inf if deadline is None else max(0.1, deadline - time.monotonic())
        listed = call(
            competition,
            lambda api, page=page: _list_page(api, competition, page),
            attempts=ATTEMPTS if deadline is None else 1,
            timeout_seconds=min(TIMEOUT_SECONDS, left),
        )
        fresh = [submission for submission in listed if submission.reference not in seen]
        if not fresh:
            return
        yield fresh
        seen |= {submission.reference for submission in fresh}


class _Json:
    """An answer as plain JSON, where the client asks for a type: in its own, one odd entry fails the whole list."""

    @staticmethod
    def prepare_from(response: Any) -> Any:
        return response.json()


def _list_page(api: Any, competition: str, page: int) -> list[Submission]:
    from kagglesdk.competitions.types.competition_api_service import ApiListSubmissionsRequest

    request = ApiListSubmissionsRequest()
    request.competition_name, request.page, request.page_size = competition, page, PAGE_SIZE
    with quiet(), api.build_kaggle_client() as client:
        http = client.http_client()
        answer = http.call("competitions.CompetitionApiService", "ListSubmissions", request, _Json)
    entries = answer.get("submissions") or [] if isinstance(answer, Mapping) else []
    return [_parse(entry, competition) for entry in entries if isinstance(entry, Mapping) and entry.get("ref")]


def _one_line(text: str) -> str:
    """Words that a terminal and a line of a table can take; half a character, as JSON may have, they cannot."""
    return "".join(filter(str.isprintable, " ".join(text.split())))


def _parse(entry: Mapping[str, Any], competition: str) -> Submission:
    """One entry of the list, whatever is odd about it; a status that is not known counts as pending, as none does."""

    def text(key: str) -> str:
        value = entry.get(key)
        return "" if value is None else _one_line(str(value))

    status = text("status").lower()  # may come with its type's name in front of it, or as a number
    status = dict(zip("012", STATUSES, strict=True)).get(status, status)
    size = text("totalBytes")
    return Submission(
        reference=text("ref"),
        status=next((known for known in STATUSES if status.endswith(known)), "pending"),
        public=text("publicScore")[:MAX_SCORE_CHARACTERS],
        private=text("privateScore")[:MAX_SCORE_CHARACTERS],
        reason=redact(text("errorDescription"))
        or f"no reason given; see {SITE}/competitions/{competition}/submissions",
        file_name=text("fileName"),
        description=text("description"),
        size_bytes=int(size) if size.isdecimal() and len(size) < 20 else None,
    )
