"""What went wrong with Kaggle, in one line: Kaggle's own words, and advice that fits them.

The words are told without the secret that the client was called with, and without any part of a signed address:
whoever has one of those can fetch or replace the file.
"""

import html
import json
import re
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

from cifar10.competition.kaggle_credentials import SETTINGS, Credentials, find_credentials
from cifar10.core.config import MAX_LINE_CHARACTERS, PARAMS, InputError

SITE = "https://www.kaggle.com"
MAX_WORDS_CHARACTERS = 100
MAX_BODY_BYTES = 1 << 16

# What words are about: all patterns of a tuple are in them. "The competition closed today" is about no quota.
_DAY = r"daily|per day|a day|each day|today|tomorrow|24 hours|midnight|hours from now"
_QUOTA = r"limit|quota|allowance|\bused\b|exceed|reached|maximum|number of|too many|\bleft\b|remaining"
_SUBMISSIONS = r"submissions? (allowance|quota|limit|left|remaining)|number of submissions|used .*submissions"
_SIZE = r"\bsize\b|bytes|\d ?[kmg]i?b\b"
_RULES = r"\brules?\b", r"accept|agree|consent|acknowledg"
_ACCOUNT = r"phone|identity|account|e-?mail", r"verif|\bphone number\b"
_NO_COMPETITION = r"^(404 )?(not found)?$|competition"
_NO_PERMISSION = r"^(403 )?(forbidden|access denied)?$|permission|not authori[sz]ed"
_ADDRESS = re.compile(r"\w+://\S+|\S*[?&]\S+=\S*")


class BrokenOffError(Exception):
    """A transfer that ended too early, to be tried again; its text is what is told after the last attempt."""


class AnswerLostError(InputError):
    """Kaggle's answer to what must not be asked twice did not arrive; whether Kaggle did it is not known."""


def explain(error: BaseException, competition: str, attempt: int = 1, wait_seconds: float | None = None) -> str:
    """One line for people: what went wrong in the last of so many attempts, and what to do about it."""
    if status := status_of(error):
        return _explain_refusal(error, status, competition, attempt, wait_seconds)
    if isinstance(error, BrokenOffError):
        return f"kaggle: {error}"
    if isinstance(error, requests.exceptions.SSLError):
        return "kaggle: no secure connection (TLS certificate refused); check the clock and the proxy, then run again"
    if isinstance(error, requests.exceptions.ProxyError) and "407" in str(error):
        return "kaggle: the proxy asks for a user name and password (407); https_proxy takes http://NAME:PASSWORD@HOST"
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return "kaggle: no connection to Kaggle; check network and proxy, then run again"
    if isinstance(error, ImportError):
        return f"kaggle: the package kaggle cannot be used ({redact(str(error))}); `pip install -U kaggle`"
    if isinstance(error, SystemExit):
        return "kaggle: the package kaggle gave up without a reason; run again, or update it"
    return f"kaggle: an answer that makes no sense ({type(error).__name__}); run again, or update the package kaggle"


def _explain_refusal(error: Any, status: int, competition: str, attempt: int, wait_seconds: float | None) -> str:
    page = f"{SITE}/competitions/{competition}"
    words = own_words(error)
    tries = f", {attempt} times" if attempt > 1 else ""
    if status >= 500:
        return f"kaggle: not available ({status}{tries}); run again later"
    if status == 429:
        when = "in some minutes" if wait_seconds is None else f"in {wait_seconds:.0f} s"
        return _line("kaggle: too many requests (429", words, f"{tries}); run again {when}")
    if is_transfer(error):
        advice = "); run again, for a new address"
        return _line(f"kaggle: {competition}: the file's address was refused ({status}", words, advice)
    if status == 401:
        return explain_credentials(_credentials(), words)
    if not _are_about(words, _SIZE) and (_are_about(words, _DAY, _QUOTA) or _are_about(words, _SUBMISSIONS)):
        return _line(f"kaggle: {competition}: refused ({status}", words, "); a daily limit is lifted at 00:00 UTC")
    if _are_about(words, *_RULES):
        return _line(f"kaggle: {competition}: no access ({status}", words, f"); accept the rules at {page}/rules")
    if _are_about(words, *_ACCOUNT):
        return _line(f"kaggle: {competition}: no access ({status}", words, f"); verify the account at {SITE}/settings")
    if status == 404 and _are_about(words, _NO_COMPETITION):
        advice = f"); {PARAMS}: data.competition is the end of its web address"
        return _line(f"kaggle: no competition {competition!r} (404", words, advice)
    if status == 403:
        advice = "is data.competition right? see" if _are_about(words, _NO_PERMISSION) else "see"
        return _line(f"kaggle: {competition}: no access (403", words, f"); {advice} {page}")
    return _line(f"kaggle: {competition}: refused ({status}", words, f"); see {page}")


def _are_about(words: str, *patterns: str) -> bool:
    return all(re.search(pattern, words, re.IGNORECASE) for pattern in patterns)


def explain_credentials(credentials: Credentials | None, words: str = "", status: int = 401) -> str:
    """Credentials that Kaggle does not take (any more), by the place that they are from."""
    if credentials and credentials.is_login:
        advice = "); run `kaggle auth login` again"
        return _line("kaggle: the login of `kaggle auth login` has expired (401", words, advice)
    advice = f"); get a new token at {SETTINGS} and set KAGGLE_API_TOKEN"
    if credentials and credentials.place != "KAGGLE_API_TOKEN":
        advice = f"), those of {credentials.place}; get new ones at {SETTINGS}"
    return _line(f"kaggle: the credentials were refused ({status}", words, advice)


def _line(before: str, words: str, after: str) -> str:
    """One line with Kaggle's words in the middle, which are cut before the advice at the end would be."""
    room = MAX_LINE_CHARACTERS - len("error: ") - len(before) - len(": ") - len(after)
    words = words if len(words) <= room else f"{words[: max(room - 3, 0)]}..."
    return f"{before}: {words}{after}" if words and room > 10 else f"{before}{after}"


def own_words(error: Any) -> str:
    """What the server says in a refusal's body: a message, a page's title, or text; else its status line."""
    response, body = error.response, ""
    with suppress(requests.RequestException, RuntimeError):  # the second: the client has read a part of it
        body = next(response.iter_content(MAX_BODY_BYTES), b"").decode(errors="replace")
    said: Any = None
    with suppress(ValueError):
        said = json.loads(body)
    for _ in range(2):  # {"error": {"message": ...}} is told as {"message": ...} is
        said = said.get("message") or said.get("error") if isinstance(said, dict) else said
    if not isinstance(said, str):
        tagged = re.search(r"<(Message|title)[^>]*>(.*?)</\1>", body, re.IGNORECASE | re.DOTALL)
        is_text = not body.lstrip().startswith(("<", "{", "["))
        said = html.unescape(tagged[2]) if tagged else body if is_text else ""
    return redact(said if said.strip() else response.reason or "", response)


def redact(text: str, response: requests.Response | None = None) -> str:
    """Kaggle's words on one line, at most 100 characters, without secrets and without addresses or parts of them."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    for address in _addresses(response):
        for part in sorted(_parts(address), key=len, reverse=True):
            text = text.replace(part, "[address]")
    words = " ".join(_ADDRESS.sub("[address]", text).split())
    return words[:MAX_WORDS_CHARACTERS].rstrip(" .")


def _credentials() -> Credentials | None:
    with suppress(InputError):
        return find_credentials()
    return None


def _secrets() -> tuple[str, ...]:
    credentials = _credentials()
    return credentials.secrets if credentials else ()


def _parts(address: str) -> set[str]:
    """What tells of an address: its path and the values in it, as they stand there and decoded; names are too short."""
    split = urlsplit(address)
    values = [pair.partition("=")[2] for pair in split.query.split("&")]
    names = [name for name in split.path.split("/") if len(name) > 15]  # what is drawn by chance is longer than words
    parts = {split.path, split.path.strip("/"), split.query, *values, *names}
    return {text for part in parts for text in (part, unquote(part), unquote_plus(part)) if len(text) > 3}


def _addresses(response: requests.Response | None) -> list[str]:
    return [] if response is None else [step.url or "" for step in (*response.history, response)]


def status_of(error: Any) -> int | None:
    """The status of a refusal, which Kaggle may send as JSON in an answer of status 200."""
    response = getattr(error, "response", None)
    if response is None:  # a refusal is a response that counts as False
        return None
    if response.status_code < 400:
        with suppress(ValueError, KeyError, TypeError):
            return int(response.json()["code"])
    return response.status_code


def is_transfer(error: Any) -> bool:
    """Whether the refusal is of a file's signed address; the API itself is called by POST."""
    request = error.response.request
    return request is not None and request.method in ("GET", "PUT")


def never_connected(error: BaseException) -> bool:
    """Whether no request can have left: no route, no such name, nobody who listens, no proxy."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, ProxyError):  # of a connection to the proxy that was lost after the request, too
        reason = reason.original_error
    return isinstance(reason, NewConnectionError | ConnectTimeoutError) or "Tunnel connection failed" in str(reason)


def is_temporary(error: BaseException) -> bool:
    """Whether the same request may well succeed a little later."""
    if status := status_of(error):
        return status in (408, 425, 429) or status >= 500
    if isinstance(error, requests.exceptions.SSLError):
        return False
    dropped = requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError
    return isinstance(error, BrokenOffError | dropped)  # type: ignore[operator]
