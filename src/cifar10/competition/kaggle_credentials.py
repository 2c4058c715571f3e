"""Where Kaggle's client finds credentials: the one list of places, followed in the client's own order.

The client passes over what it cannot read, or fails inside its HTTP library with the token in the traceback. So each
place is looked at here first, and what is wrong with it is said by file or variable, never with its content.
"""

import json
import os
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cifar10.core.config import InputError

SETTINGS = "https://www.kaggle.com/settings/api"
NO_CREDENTIALS = (
    "kaggle: no credentials; set KAGGLE_API_TOKEN, or save ~/.kaggle/access_token or kaggle.json, "
    "or run `kaggle auth login` (data.source: sample needs none)"
)
VARIABLES = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Credentials:
    """What the client will show to Kaggle."""

    place: str  # the variable or the file
    path: Path | None  # the file, where it is one
    is_login: bool = False  # of `kaggle auth login`, which expires
    secrets: tuple[str, ...] = field(default=(), repr=False)


class _PassedOverError(Exception):
    """A place that holds something that the client cannot use, and passes over."""


def find_credentials() -> Credentials:
    """The credentials that the client will use.

    Raises:
        InputError: there are none, or those that are there cannot be used: which, and what is wrong with them.
    """
    passed_over: list[str] = []
    for look in (_find_token, _find_key, _find_login):
        try:
            if found := look():
                return found
        except _PassedOverError as error:
            passed_over.append(str(error))
    raise InputError(f"kaggle: {passed_over[0]}" if passed_over else NO_CREDENTIALS)


def check_mode(credentials: Credentials) -> str | None:
    """Whether nobody else can read the file; a warning where its mode cannot be changed, as of a mounted secret.

    Raises:
        InputError: others can read it, with the command that mends it.
    """
    path = credentials.path
    if path is None or os.name != "posix" or not (mode := stat.S_IMODE(path.stat().st_mode)) & OTHERS:
        return None
    try:
        path.chmod(mode)  # changes nothing, and says whether anything could be changed
    except OSError:
        return f"{path}: others on this machine can read it (mode {mode:o}), which cannot be changed here"
    raise InputError(f"{path}: others on this machine can read it; run `chmod 600 {shlex.quote(str(path))}`")


def config_folder() -> Path:
    """The folder in which the client looks for `kaggle.json`, and which it makes where it is missing."""
    if folder := os.environ.get("KAGGLE_CONFIG_DIR"):
        return Path(folder)
    if _exists(_home(".kaggle")):
        return _home(".kaggle")
    return Path(os.environ.get("XDG_CONFIG_HOME") or _home(".config"), "kaggle")


# --- the places, in the client's order -------------------------------------------------------------------------


def _find_token() -> Credentials | None:
    """An access token: of a Kaggle notebook, of the environment, or of a file in ~/.kaggle."""
    variable = os.environ.get("KAGGLE_API_TOKEN")
    paths = [_home(".kaggle/access_token"), _home(".kaggle/access_token.txt")]
    if variable and not _exists(variable):
        if "/" in variable:
            raise InputError("kaggle: KAGGLE_API_TOKEN: looks like a path, and there is no such file")
        return _token(variable, "KAGGLE_API_TOKEN", None)
    if variable:
        paths = [Path(variable)]
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ and "KAGGLE_DATA_PROXY_URL" in os.environ:
        paths = [Path(name) for name in [os.environ.get("KAGGLE_API_V1_TOKEN")] if name] + paths
    empty = None
    for path in filter(_exists, paths):
        if token := _read(path).strip():
            return _token(token, str(path), path)
        empty = empty or path
    if empty:
        raise _PassedOverError(f"{empty}: is empty; save a token from {SETTINGS} in it")
    return None


def _token(token: str, place: str, path: Path | None) -> Credentials:
    what = "holds the content of a kaggle.json" if token.lstrip().startswith("{") else _find_odd_character(token)
    if what:
        raise InputError(f"kaggle: {place}: {what}; it has to be the token from {SETTINGS} alone")
    return Credentials(place, path, secrets=(token,))


def _find_key() -> Credentials | None:
    """The older user name and key: of the environment, else of `kaggle.json`, each of the two for itself."""
    path = config_folder() / "kaggle.json"
    stored: dict[str, Any] = {}
    trouble = None
    if _exists(path):
        try:
            stored = _read_json(path, f"download it again from {SETTINGS}")
        except _PassedOverError as error:  # the variables may do without it
            trouble = error
    found: dict[str, str] = {}
    places: dict[str, str] = {}
    for name in ("username", "key"):
        variable = f"KAGGLE_{name.upper()}"
        places[name] = variable if os.environ.get(variable) else f'{path}: "{name}"'
        if value := os.environ.get(variable) or stored.get(name):
            found[name] = value
            what = _find_odd_character(value) if isinstance(value, str) else "is no text"
            if what:
                raise InputError(f"kaggle: {places[name]}: {what}; take both again from {SETTINGS}")
    if len(found) == 2:
        is_file = any(place.startswith(str(path)) for place in places.values())
        place = str(path) if is_file else "KAGGLE_USERNAME and KAGGLE_KEY"
        return Credentials(place, path if is_file else None, secrets=(found["key"],))
    if trouble:
        raise trouble
    if found:
        (there,) = found
        (missing,) = {"username", "key"} - {there}
        from_file = f'{path}: has no "{missing}"'
        what = from_file if there in stored else f"KAGGLE_{there.upper()} is set, KAGGLE_{missing.upper()} is not"
        raise _PassedOverError(f"{what}; both are needed, or a token: {SETTINGS}")
    misplaced = [(_home(folder) / "kaggle.json", path.parent) for folder in (".kaggle", ".config/kaggle")]
    misplaced += [(folder / "access_token", _home(".kaggle")) for folder in (path.parent, _home(".config/kaggle"))]
    for file, right in misplaced:
        if file.parent != right and _exists(file):
            raise _PassedOverError(f"{file}: the client looks in {right} alone; move it there")
    return None


def _find_login() -> Credentials | None:
    """What `kaggle auth login` left."""
    path = _home(".kaggle/credentials.json")
    if not _exists(path):
        return None
    stored = _read_json(path, "run `kaggle auth login` again")
    expires = stored.get("access_token_expiration")
    try:
        is_sound = bool(stored["refresh_token"]) and (not expires or datetime.fromisoformat(expires).tzinfo is not None)
    except (KeyError, TypeError, ValueError):
        is_sound = False
    if not is_sound:
        raise _PassedOverError(f"{path}: holds no login; run `kaggle auth login` again")
    secrets = (stored[name] for name in ("refresh_token", "access_token") if stored.get(name))
    return Credentials(str(path), path, is_login=True, secrets=tuple(map(str, secrets)))


# --- reading them ------------------------------------------------------------------------------------------------


def _home(name: str) -> Path:
    """A path below the home folder; unlike `Path.home` it takes a user of whom the system knows nothing."""
    return Path(os.path.expanduser("~"), name)  # noqa: PTH111


def _exists(path: str | Path) -> bool:
    """Whether it is there; no error for a token that is tried as a path and is too long for one."""
    return os.path.exists(path)  # noqa: PTH110


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise InputError(f"kaggle: {path}: is not UTF-8 text; save it as plain text again") from None
    except OSError as error:
        raise InputError(f"kaggle: {path}: cannot be read ({error.strerror})") from None


def _read_json(path: Path, todo: str) -> dict[str, Any]:
    try:
        text = _read(path)
    except InputError as error:
        raise _PassedOverError(str(error).removeprefix("kaggle: ")) from None
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _PassedOverError(f"{path}: {_what_is_no_json(text, error)}; {todo}") from None
    if not isinstance(content, dict):
        raise _PassedOverError(f"{path}: is no JSON object; {todo}")
    return content


def _what_is_no_json(text: str, error: ValueError) -> str:
    if not text.strip():
        return "is empty"
    if text.startswith("\ufeff"):
        return "begins with a byte-order mark"
    if text.lstrip().startswith("{'"):
        return "has single quotes where JSON has double ones"
    if isinstance(error, json.JSONDecodeError):
        return f"is no valid JSON (line {error.lineno}, column {error.colno}): cut off?"
    return "is no valid JSON"


def _find_odd_character(secret: str) -> str | None:
    """What no token, key or user name has, and HTTP cannot send or Kaggle does not know."""
    return next((what for is_there, what in _odd_characters(secret) if is_there), None)


def _odd_characters(secret: str) -> Iterator[tuple[bool, str]]:
    yield secret.startswith(("\ufeff", "\xef\xbb\xbf")), "begins with a byte-order mark"
    yield secret.endswith(("\r", "\r\n")), "ends with a carriage return"
    yield "\n" in secret or "\r" in secret, "has a line break in it"
    yield not secret.strip(), "is blank"
    yield " " in secret or "\t" in secret, "has a space in it"
    yield secret[0] in "\"'`" or secret[-1] in "\"'`", "stands in quotation marks"
    yield not secret.isascii() or not secret.isprintable(), "has a character in it that no token has"
