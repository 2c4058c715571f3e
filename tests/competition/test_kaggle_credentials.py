"""Credentials are looked for as the client does, and what is wrong with them is told without quoting them."""

import json
import os
from pathlib import Path

import pytest
from kaggle_stand_in import TOKEN

from cifar10.competition import kaggle_credentials
from cifar10.competition.kaggle_credentials import NO_CREDENTIALS, check_mode, find_credentials
from cifar10.core.config import InputError

KEY = json.dumps({"username": "student", "key": TOKEN})
LOGIN = json.dumps({"refresh_token": TOKEN, "access_token_expiration": "2026-01-31T12:00:00+00:00"})


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    """A user's home without any credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("KAGGLE_")] + ["XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def save(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


PLACES = {
    ".kaggle/access_token": TOKEN,
    ".kaggle/access_token.txt": f"{TOKEN}\r\n",  # the client strips what surrounds it in a file
    ".kaggle/kaggle.json": KEY,
    ".config/kaggle/kaggle.json": KEY,
    ".kaggle/credentials.json": LOGIN,
}


@pytest.mark.parametrize("place", PLACES)
def test_every_place_of_the_client_is_known_and_has_to_be_private(home: Path, place):
    path = save(home / place, PLACES[place])
    found = find_credentials()
    assert (found.path, found.is_login) == (path, "credentials" in place)
    assert check_mode(found) is None
    assert TOKEN in found.secrets
    assert TOKEN not in repr(found)
    for mode in (0o644, 0o640, 0o604, 0o660):
        path.chmod(mode)
        with pytest.raises(InputError) as error:
            check_mode(found)
        assert str(error.value) == f"{path}: others on this machine can read it; run `chmod 600 {path}`"


def test_the_first_place_counts_and_only_its_file_is_looked_at(home: Path, monkeypatch):
    save(home / ".kaggle/credentials.json", LOGIN)
    save(home / ".kaggle/kaggle.json", KEY, mode=0o644)
    assert find_credentials().place == str(home / ".kaggle/kaggle.json")
    monkeypatch.setenv("KAGGLE_USERNAME", "student")
    monkeypatch.setenv("KAGGLE_KEY", TOKEN)
    assert find_credentials().place == "KAGGLE_USERNAME and KAGGLE_KEY"
    save(home / ".kaggle/access_token", TOKEN, mode=0o644)
    assert find_credentials().place == str(home / ".kaggle/access_token")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    assert find_credentials().path is None
    assert check_mode(find_credentials()) is None


def test_variables_name_other_places(home: Path, monkeypatch):
    key = save(home / "a b/kaggle.json", KEY, mode=0o644)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(key.parent))
    with pytest.raises(InputError, match=r"run `chmod 600 '.*/a b/kaggle\.json'`"):
        check_mode(find_credentials())
    monkeypatch.setenv("KAGGLE_API_TOKEN", str(save(home / "token.txt", TOKEN)))
    assert find_credentials().place == str(home / "token.txt")


def test_a_mounted_secret_that_nobody_can_change_is_a_warning(home: Path, monkeypatch):
    path = save(home / ".kaggle/access_token", TOKEN, mode=0o444)

    def refuse(self: Path, mode: int) -> None:
        raise PermissionError(30, "Read-only file system", str(self))

    monkeypatch.setattr(kaggle_credentials.Path, "chmod", refuse)
    assert check_mode(find_credentials()) == (
        f"{path}: others on this machine can read it (mode 444), which cannot be changed here"
    )


UNUSABLE = {
    # the content of a file, or None; the environment; what is told
    "variable with a carriage return": (
        {},
        {"KAGGLE_API_TOKEN": f"{TOKEN}\r"},
        "KAGGLE_API_TOKEN: ends with a carriage",
    ),
    "variable with a line end": ({}, {"KAGGLE_API_TOKEN": f"{TOKEN}\n"}, "KAGGLE_API_TOKEN: has a line break"),
    "variable with a mark": ({}, {"KAGGLE_API_TOKEN": f"\ufeff{TOKEN}"}, "KAGGLE_API_TOKEN: begins with a byte-order"),
    "variable with a space": ({}, {"KAGGLE_API_TOKEN": f"{TOKEN} "}, "KAGGLE_API_TOKEN: has a space"),
    "blank variable": ({}, {"KAGGLE_API_TOKEN": "  "}, "KAGGLE_API_TOKEN: is blank"),
    "quoted variable": ({}, {"KAGGLE_API_TOKEN": f'"{TOKEN}"'}, "KAGGLE_API_TOKEN: stands in quotation marks"),
    "JSON in the variable": ({}, {"KAGGLE_API_TOKEN": KEY}, "KAGGLE_API_TOKEN: holds the content of a kaggle.json"),
    "path of no file": ({}, {"KAGGLE_API_TOKEN": "~/token"}, "KAGGLE_API_TOKEN: looks like a path"),
    "accent": ({}, {"KAGGLE_API_TOKEN": f"{TOKEN}é"}, "KAGGLE_API_TOKEN: has a character"),
    "half of two": ({}, {"KAGGLE_KEY": TOKEN}, "KAGGLE_KEY is set, KAGGLE_USERNAME is not"),
    "key with a carriage return": (
        {},
        {"KAGGLE_USERNAME": "student", "KAGGLE_KEY": f"{TOKEN}\r"},
        "KAGGLE_KEY: ends with a carriage return",
    ),
    "token with a mark": ({"access_token": f"\ufeff{TOKEN}"}, {}, "access_token: begins with a byte-order mark"),
    "token of PowerShell": ({"access_token": TOKEN.encode("utf-16")}, {}, "access_token: is not UTF-8 text"),
    "empty token": ({"access_token": ""}, {}, "access_token: is empty"),
    "two tokens": ({"access_token": f"{TOKEN}\n{TOKEN}\n"}, {}, "access_token: has a line break"),
    "empty key": ({"kaggle.json": ""}, {}, "kaggle.json: is empty"),
    "key with a mark": ({"kaggle.json": f"\ufeff{KEY}"}, {}, "kaggle.json: begins with a byte-order mark"),
    "key cut off": ({"kaggle.json": KEY[:-10]}, {}, "kaggle.json: is no valid JSON (line 1, column"),
    "single quotes": ({"kaggle.json": KEY.replace('"', "'")}, {}, "kaggle.json: has single quotes where JSON has"),
    "no key": ({"kaggle.json": '{"username": "student"}'}, {}, 'kaggle.json: has no "key"'),
    "no user name": ({"kaggle.json": f'{{"key": "{TOKEN}"}}'}, {}, 'kaggle.json: has no "username"'),
    "a list": ({"kaggle.json": "[1]"}, {}, "kaggle.json: is no JSON object"),
    "a number for a key": ({"kaggle.json": '{"username": "student", "key": 7}'}, {}, 'kaggle.json: "key": is no text'),
    "token in kaggle.json": ({"kaggle.json": TOKEN}, {}, "kaggle.json: is no valid JSON (line 1, column 1)"),
    "login cut off": ({"credentials.json": LOGIN[:20]}, {}, "credentials.json: is no valid JSON"),
    "no login": ({"credentials.json": "{}"}, {}, "credentials.json: holds no login; run `kaggle auth login` again"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_credentials_that_cannot_be_used_are_told_by_place_and_never_quoted(home: Path, monkeypatch, name):
    files, environment, told = UNUSABLE[name]
    for file, content in files.items():
        save(home / ".kaggle" / file, content)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(InputError) as error:
        find_credentials()
    assert told in str(error.value)
    assert TOKEN[:8] not in str(error.value)


def test_what_the_client_passes_over_does_not_stop_it(home: Path):
    save(home / ".kaggle/access_token", "\n")
    save(home / ".kaggle/kaggle.json", "{'key': ''}")
    login = save(home / ".kaggle/credentials.json", LOGIN)
    assert find_credentials().path == login


def test_a_folder_in_the_place_of_a_file_is_told(home: Path):
    """As Docker mounts a file that is not there."""
    (home / ".kaggle/access_token").mkdir(parents=True)
    with pytest.raises(InputError, match=r"access_token: cannot be read \(Is a directory\)"):
        find_credentials()


@pytest.mark.parametrize("name", ["kaggle.json", "access_token"])
def test_a_file_where_the_client_does_not_look_is_told(home: Path, name):
    save(home / ".config/kaggle" / name, KEY)
    (home / ".kaggle").mkdir()
    with pytest.raises(InputError, match=r"the client looks in .*/\.kaggle alone; move it there"):
        find_credentials()


@pytest.mark.parametrize("token", [TOKEN, TOKEN * 12])
def test_a_token_that_is_no_path_is_no_file(home: Path, monkeypatch, token):
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    assert find_credentials().path is None


def test_nothing_at_all_is_told_with_every_way_to_give_some(home: Path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "")
    with pytest.raises(InputError) as error:
        find_credentials()
    assert str(error.value) == NO_CREDENTIALS
