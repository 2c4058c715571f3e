"""Kaggle's client, made quiet and patient: credentials first, retries with back-off, every failure in one line.

The client itself retries no API call, waits for an answer without end, prints its help or a traceback when it is
refused, and with VERBOSE=1 prints the token.
"""

import errno
import functools
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import requests
from packaging.version import Version
from requests.adapters import HTTPAdapter
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from cifar10.competition.kaggle_credentials import VARIABLES, Credentials, check_mode, config_folder, find_credentials
from cifar10.competition.kaggle_errors import (
    AnswerLostError,
    BrokenOffError,
    explain,
    explain_credentials,
    is_temporary,
    never_connected,
    own_words,
    redact,
    status_of,
)
from cifar10.core.config import InputError

OLDEST = "2.2.4"  # as in pyproject.toml: those before end the process, or fail with AttributeError
ATTEMPTS = 6
MAX_WAIT_SECONDS = 120.0  # who asks for more is told when to run again
TIMEOUT_SECONDS = 60.0  # without a byte: the connection counts as cut

WHAT_IS_LISTED = "run the same command again: it takes over what Kaggle lists, and sends nothing twice"

T = TypeVar("T")


def call(
    competition: str,
    request: Callable[[Any], T],
    once: bool = False,
    attempts: int = ATTEMPTS,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> T:
    """Hand the authenticated `KaggleApi` to `request` and return its result, trying up to `attempts` times.

    Repeated are 429 and 5xx, after the pause that `Retry-After` asks for, and whatever breaks off under way. No
    connection at the very start is told at once. `once` is for what must not happen twice: only a 429, which says
    that nothing was done, is repeated then.

    Raises:
        AnswerLostError: with `once`, where Kaggle may have done it.
        InputError: one line with the cause and the next step, never with a token.
    """
    for attempt in range(1, attempts + 1):
        try:
            with _restrained(timeout_seconds):
                return request(_authenticated_api())
        except (InputError, MemoryError):
            raise
        except (Exception, SystemExit) as error:  # requests', json's, KeyError on an answer that the client cannot read
            if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
                raise  # a full disk, a folder that cannot be written
            wait = _pause(error, attempt)
            status, unreachable = status_of(error), never_connected(error)
            lost = isinstance(error, requests.ConnectionError | requests.Timeout | BrokenOffError)
            trouble = status or ("connection lost" if lost else type(error).__name__)
            again = status == 429 if once else is_temporary(error) and (attempt > 1 or not unreachable)
            if not again or attempt == attempts or wait > MAX_WAIT_SECONDS:
                if once and not unreachable and status != 429 and (not status or is_temporary(error)):
                    raise AnswerLostError(f"kaggle: broke off ({trouble}); {WHAT_IS_LISTED}") from None
                longer = wait if wait > MAX_WAIT_SECONDS else None
                raise InputError(explain(error, competition, attempt, longer)) from None
        print(f"kaggle: {trouble}; attempt {attempt + 1} of {attempts} in {wait:.0f} s", flush=True)
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _pause(error: BaseException, attempt: int) -> float:
    """Seconds until the next attempt: what `Retry-After` asks for (seconds or a date), else 1, 2, 4, ...

    A transfer that broke off is no sign of overload: it goes on after a second.
    """
    if isinstance(error, BrokenOffError):
        return 1.0
    asked = error.response.headers.get("Retry-After", "") if status_of(error) else ""  # type: ignore[attr-defined]
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 2.0 ** (attempt - 1)


@contextmanager
def _restrained(timeout_seconds: float) -> Iterator[None]:
    """End each request of the client after so long without a byte, and keep VERBOSE away from it.

    It sets no limit of its own, and with VERBOSE it prints the token.
    """
    send = HTTPAdapter.send

    def send_with_limit(adapter: Any, request: Any, *rest: Any, timeout: Any = None, **options: Any) -> Any:
        return send(adapter, request, *rest, timeout=timeout or timeout_seconds, **options)

    verbose = {name: os.environ.pop(name) for name in ("VERBOSE", "VERBOSE_OUTPUT") if name in os.environ}
    try:
        with _sending_by(send_with_limit):
            yield
    finally:
        os.environ.update(verbose)


@contextmanager
def _sending_by(send: Callable[..., requests.Response]) -> Iterator[None]:
    """Within it, whatever requests sends goes through `send`: the client has no place to set it for itself alone."""
    before = HTTPAdapter.send
    HTTPAdapter.send = send  # type: ignore[method-assign]
    try:
        yield
    finally:
        HTTPAdapter.send = before  # type: ignore[method-assign]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the client prints off the terminal."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


# --- the client itself -------------------------------------------------------------------------------------------


@functools.cache
def _authenticated_api() -> Any:
    """The client's `KaggleApi`, with the credentials that it finds in its own order (a token first)."""
    check_version()
    for name in VARIABLES:
        if not os.environ.get(name):
            os.environ.pop(name, None)  # an empty one counts as not set; the client would take it
    check_network_settings()
    credentials = find_credentials()
    if warning := check_mode(credentials):
        print(f"kaggle: {warning}", file=sys.stderr)
    with quiet(), _folder_of_our_own():
        try:
            import kaggle  # authenticates; a version that ends the process when that fails must not end ours

            api = kaggle.api
        except requests.RequestException:
            raise
        except (Exception, SystemExit) as error:
            reason = redact(f"{type(error).__name__}: {error}")
            raise InputError(
                f"kaggle: the package kaggle {version('kaggle')} cannot be used ({reason}); `pip install -U kaggle`"
            ) from None
        if not getattr(api, "_authenticated", False):
            _authenticate(api, credentials)
    return api


def _authenticate(api: Any, credentials: Credentials) -> None:
    """Let the client say why it has refused its credentials; a login that has expired it deletes."""
    refused: list[requests.Response] = []
    try:
        with _listening(refused):
            api.authenticate()
    except SystemExit:  # it prints its help and leaves, whatever the refusal said
        if not refused:
            raise InputError(explain_credentials(credentials)) from None
        words = own_words(requests.HTTPError(response=refused[-1]))
        raise InputError(explain_credentials(credentials, words, refused[-1].status_code)) from None
    except requests.HTTPError as error:
        if is_temporary(error) or (status_of(error) != 401 and not credentials.is_login):
            raise  # as of a proxy that lets nobody through
        raise InputError(explain_credentials(credentials, own_words(error))) from None
    except OSError as error:
        if isinstance(error, requests.RequestException) or error.errno != errno.ENAMETOOLONG:
            raise
        told = explain_credentials(credentials)  # it tries the token as a path; the error would quote it
        raise InputError(told) from None


@contextmanager
def _listening(refused: list[requests.Response]) -> Iterator[None]:
    """Collect the refusals that the client keeps to itself."""
    send = HTTPAdapter.send

    def send_and_listen(*arguments: Any, **options: Any) -> requests.Response:
        response = send(*arguments, **options)
        if not response.ok:
            refused.append(response)
        return response

    with _sending_by(send_and_listen):
        yield


def check_version() -> None:
    """Raise InputError where the client is missing, or older than what works."""
    try:
        found = version("kaggle")
    except PackageNotFoundError:
        raise InputError(f"kaggle: the package kaggle is not installed; `pip install 'kaggle>={OLDEST}'`") from None
    if Version(found) < Version(OLDEST):
        raise InputError(f"kaggle: the package kaggle {found} is too old; `pip install 'kaggle>={OLDEST}'`")


def check_network_settings() -> None:
    """Raise InputError where a variable of the environment says how to reach Kaggle and cannot be used."""
    is_local = os.environ.get("KAGGLE_API_ENVIRONMENT") == "LOCALHOST"
    endpoint = "http://localhost" if is_local else "https://api.kaggle.com"
    proxy = requests.utils.select_proxy(endpoint, requests.utils.get_environ_proxies(endpoint))
    if proxy and (what := _find_proxy_trouble(proxy)):
        names = [name for name, value in os.environ.items() if name.lower().endswith("_proxy") and value == proxy]
        raise InputError(f"kaggle: {names[0] if names else 'the proxy'}: {what}; it takes http://HOST:PORT")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if (bundle := os.environ.get(name)) and not Path(bundle).exists():
            raise InputError(f"kaggle: {name}: {bundle}: there is no such file")


def _find_proxy_trouble(proxy: str) -> str | None:
    """What is wrong with a proxy's address, which may hold a password and is never quoted."""
    try:
        address = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    except LocationParseError:
        return "is no address"
    if address.scheme in ("socks4", "socks4a", "socks5", "socks5h"):
        return None if find_spec("socks") else "is a SOCKS proxy, which needs `pip install pysocks`"
    if address.scheme not in ("http", "https"):
        return "is of no kind that can be used"
    return None if address.host else "names no host"


@contextmanager
def _folder_of_our_own() -> Iterator[None]:
    """Let the client take an empty folder for the one of `kaggle.json` where that is missing.

    It would make it, which a home that is read-only, or that no user has, does not allow.
    """
    if os.path.isdir(config_folder()):  # noqa: PTH112 -- Path's raises where a folder above is closed
        yield
        return
    before = os.environ.get("KAGGLE_CONFIG_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KAGGLE_CONFIG_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("KAGGLE_CONFIG_DIR") if before is None else os.environ.update(KAGGLE_CONFIG_DIR=before)
