"""Kaggle's credential files: whoever can read one can submit in its owner's name."""

import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from cifar10.core.config import InputError

NAMES = ("access_token", "access_token.txt", "kaggle.json", "credentials.json")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def credential_files() -> list[Path]:
    """The files in which Kaggle's client looks for credentials, those that exist."""
    home = Path.home()
    settings = os.environ.get("XDG_CONFIG_HOME") or home / ".config"
    folders = (os.environ.get("KAGGLE_CONFIG_DIR") or home / ".kaggle", home / ".kaggle", Path(settings, "kaggle"))
    candidates = [Path(folder, name) for folder in dict.fromkeys(folders) for name in NAMES]
    found = [path for path in candidates if path.is_file()]
    with suppress(
        OSError
    ):  # the client takes a token that is a path for a file; most are no path, and too long for one
        token = Path(os.environ.get("KAGGLE_API_TOKEN", ""))
        found += [token] if token.is_file() else []
    return found


def refuse_readable_by_others() -> None:
    """Raise InputError where group or world may read a credential file, with the command that mends it."""
    for path in credential_files() if os.name == "posix" else ():
        if path.stat().st_mode & OTHERS:
            raise InputError(f"{path}: others on this machine can read it; run `chmod 600 {shlex.quote(str(path))}`")
