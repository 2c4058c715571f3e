"""Kaggle's client, made quiet and patient: credentials first, retries with back-off, every failure in one line.

The client itself retries no API call, prints its help or a traceback when it is refused, and with VERBOSE=1 prints
the token.
"""

import functools
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests

from cifar10.competition.kaggle_credentials import refuse_readable_by_others
from cifar10.core.config import PARAMS, InputError

ATTEMPTS = 6
MAX_WAIT_SECONDS = 120.0  # who asks for more is told when to run again

SITE = "https://www.kaggle.com"
NO_CREDENTIALS = (
    "kaggle: no credentials; set KAGGLE_API_TOKEN, or save ~/.kaggle/access_token or kaggle.json, "
    "or run `kaggle auth login` (data.source: sample needs none)"
)
REFUSED = f"kaggle: the credentials were refused (401); get a new token at {SITE}/settings/api and set KAGGLE_API_TOKEN"

T = TypeVar("T")


class BrokenOffError(Exception):
    """A transfer that ended too early; what arrived is kept, and trying again goes on from there."""


def call(competition: str, request: Callable[[Any], T], once: bool = False) -> T:
    """Hand the authenticated `KaggleApi` to `request` and return its result, trying up to `ATTEMPTS` times.

    Repeated are 429 and 5xx, after the pause that `Retry-After` asks for, and whatever breaks off under way. No
    connection at the very start is told at once. `once` is for what must not happen twice: only a 429, which says
    that nothing was done, is repeated then.

    Raises:
        InputError: one line with the cause and the next step, never with a token.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return request(_authenticated_api())
        except (InputError, MemoryError):
            raise
        except Exception as error:  # requests', json's, and on answers that it does not know KeyError and others
            if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
                raise  # a full disk, a folder that cannot be written
            wait = _pause(error, attempt)
            again = _status(error) == 429 if once else _is_temporary(error, attempt)
            if not again or attempt == ATTEMPTS or wait > MAX_WAIT_SECONDS:
                raise InputError(explain(error, competition, attempt, wait, once)) from None
            trouble = _status(error) or "connection lost"
            print(f"kaggle: {trouble}; attempt {attempt + 1} of {ATTEMPTS} in {wait:.0f} s", flush=True)
            time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def explain(error: Exception, competition: str, attempt: int = 1, wait: float = 0.0, once: bool = False) -> str:
    """One line for people: what went wrong, and what to do about it."""
    status = _status(error)
    tries = f", {attempt} times" if attempt > 1 else ""
    if status == 400:
        return f"kaggle: {competition}: refused (400: {redact(str(error))}); a daily limit is lifted at 00:00 UTC"
    if status == 401:
        return REFUSED
    if status == 403:
        return f"kaggle: {competition}: no access (403); accept the rules at {SITE}/competitions/{competition}/rules"
    if status == 404:
        return f"kaggle: no competition {competition!r} (404); {PARAMS}: data.competition is the end of its web address"
    if status == 429:
        when = f"in {wait:.0f} s" if wait > MAX_WAIT_SECONDS else "in some minutes"
        return f"kaggle: too many requests (429{tries}); run again {when}"
    if once:
        what = status or type(error).__name__
        return f"kaggle: broke off ({what}); see {SITE}/competitions/{competition}/submissions before submitting again"
    if status:
        return f"kaggle: not available ({status}{tries}); run again later"
    if isinstance(error, BrokenOffError):
        return f"kaggle: the connection broke off ({attempt} times); run again, it goes on where it stopped"
    if isinstance(error, requests.exceptions.SSLError):
        return "kaggle: no secure connection (TLS certificate refused); check the clock and the proxy, then run again"
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return "kaggle: no connection to Kaggle; check network and proxy, then run again"
    return f"kaggle: an answer that makes no sense ({type(error).__name__}); run again, or update the package kaggle"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the client's chatter off the terminal, and VERBOSE, with which it prints the token, away from it."""
    verbose = {name: os.environ.pop(name) for name in ("VERBOSE", "VERBOSE_OUTPUT") if name in os.environ}
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        os.environ.update(verbose)


def redact(text: str) -> str:
    """Kaggle's own words on one line, at most 100 characters, without the secret that it was called with."""
    for name in ("token", "key"):
        if secret := _authenticated_api().config_values.get(name):
            text = text.replace(secret, "[secret]")
    return " ".join(text.split())[:100]


@functools.cache
def _authenticated_api() -> Any:
    """The client's `KaggleApi`, after it found credentials in its own order (a token from the environment first)."""
    refuse_readable_by_others()
    with quiet():
        try:
            from kagglesdk import get_access_token_from_env  # type: ignore[attr-defined]

            token, _ = get_access_token_from_env()
        except OSError:  # it tries the token as a path, and a long one is no path: the error would quote it
            raise InputError(REFUSED) from None
        import kaggle  # authenticates, and keeps silent when that fails

        if not kaggle.api._authenticated:
            try:
                kaggle.api.authenticate()
            except SystemExit:  # it prints its help and leaves
                raise InputError(REFUSED if token else NO_CREDENTIALS) from None
            except requests.HTTPError as error:
                if _is_temporary(error, attempt=1):
                    raise
                raise InputError(REFUSED) from None
        return kaggle.api


def _status(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    return None if response is None else response.status_code  # a refusal is a response that counts as False


def _is_temporary(error: Exception, attempt: int) -> bool:
    status = _status(error)
    if status:
        return status == 429 or status >= 500
    lost = isinstance(error, requests.ConnectionError | requests.Timeout)
    return isinstance(error, BrokenOffError) or (lost and attempt > 1)


def _pause(error: Exception, attempt: int) -> float:
    """Seconds until the next attempt: what `Retry-After` asks for (seconds or a date), else 1, 2, 4, ...

    A transfer that broke off is no sign of overload: it goes on after a second.
    """
    if isinstance(error, BrokenOffError):
        return 1.0
    asked = error.response.headers.get("Retry-After", "") if _status(error) else ""  # type: ignore[attr-defined]
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 2.0 ** (attempt - 1)
