"""The stage `download` with `data.source: kaggle`, against the stand-in: every way to fail, and that a retry works."""

import contextlib
import io
import json
import os
import pty
import re
import subprocess
import termios
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kaggle_behaviour import Failure
from kaggle_stand_in import SIGNATURE, TOKEN, StandIn
from kaggle_user import BIN, UserFolder
from small_competition import build_competition, zip_folder

from cifar10.competition import FILES
from cifar10.competition.kaggle_download import CHUNK_BYTES, download
from cifar10.core.config import InputError

pytest_plugins = ["kaggle_fixtures"]

RETRIED = ("wrong length", "damaged")
QUOTA = "You have used all submissions of today"
STAGE = ("python", "-m", "cifar10.stages.download", "data/raw")
KEPT = FILES[:4]  # what the competition has; solution.csv is ours


@dataclass
class Case:
    message: str
    change: Callable[[StandIn], object] = lambda server: None
    environment: dict[str, str | None] = field(default_factory=dict)


def failing(method: str, status: int, message: str = "told to fail", **options: Any) -> Callable[[StandIn], object]:
    def change(server: StandIn) -> None:
        server.behaviour.failures[method] = Failure(status, message, **options)

    return change


def damage(server: StandIn) -> None:
    """One flipped byte inside train.7z."""
    data = bytearray(server.data)
    data[len(data) // 2] ^= 0xFF
    server.data = bytes(data)


def leave_out_test(server: StandIn) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(server.data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"" if name == "test.7z" else old.read(name))
    server.data = buffer.getvalue()


def announce(more_bytes: int) -> Callable[[StandIn], object]:
    return lambda server: setattr(server.behaviour, "announced_bytes", more_bytes)


CASES = {
    "no credentials": Case(
        "kaggle: no credentials; set KAGGLE_API_TOKEN, or save ~/.kaggle/access_token or kaggle.json, "
        "or run `kaggle auth login` (data.source: sample needs none)",
        environment={"KAGGLE_API_TOKEN": None},
    ),
    "wrong token": Case(
        "kaggle: the credentials were refused (401); get a new token at https://www.kaggle.com/settings/api "
        "and set KAGGLE_API_TOKEN",
        environment={"KAGGLE_API_TOKEN": "KGAT_not_this_one"},
    ),
    "token too long for a path": Case(
        "kaggle: the credentials were refused (401); get a new token at https://www.kaggle.com/settings/api "
        "and set KAGGLE_API_TOKEN",
        environment={"KAGGLE_API_TOKEN": TOKEN * 12},
    ),
    "401": Case(
        "kaggle: the credentials were refused (401: bad token [secret]); get a new token at "
        "https://www.kaggle.com/settings/api and set KAGGLE_API_TOKEN",
        failing("DownloadDataFiles", 401, f"bad token {TOKEN}"),
    ),
    "403": Case(
        "kaggle: cifar-10: no access (403: You must accept this competition's rules); "
        "accept the rules at https://www.kaggle.com/competitions/cifar-10/rules",
        failing("DownloadDataFiles", 403, "You must accept this competition's rules"),
    ),
    "phone": Case(
        "kaggle: cifar-10: no access (403: You must verify your phone number to download); "
        "verify the account at https://www.kaggle.com/settings",
        failing("DownloadDataFiles", 403, "You must verify your phone number to download."),
    ),
    "mistyped": Case(
        "kaggle: cifar-10: no access (403: Permission 'competitions.get' was denied); "
        "is data.competition right? see https://www.kaggle.com/competitions/cifar-10",
        failing("DownloadDataFiles", 403, "Permission 'competitions.get' was denied"),
    ),
    "expired address": Case(
        "kaggle: cifar-10: the file's address was refused (400: The token has expired for [address]); "
        "run again, for a new address",
        failing(
            "GET",
            400,
            body="<Error><Code>ExpiredToken</Code><Message>The token has expired for "
            f"http://localhost/files/cifar-10.zip?signature={SIGNATURE}.</Message></Error>",
        ),
    ),
    "too large": Case(
        "kaggle: cifar-10: refused (413: a file's size limit was exceeded); "
        "see https://www.kaggle.com/competitions/cifar-10",
        failing("DownloadDataFiles", 413, "a file's size limit was exceeded"),
    ),
    "404": Case(
        "kaggle: no competition 'cifar-10' (404: Not found); "
        "params.yaml: data.competition is the end of its web address",
        failing("DownloadDataFiles", 404, "Not found"),
    ),
    "quota": Case(
        "kaggle: cifar-10: refused (400: You have used all submissions of today); a daily limit is lifted at 00:00 UTC",
        failing("DownloadDataFiles", 400, QUOTA),
    ),
    "429": Case(
        "kaggle: too many requests (429: told to fail, 6 times); run again in some minutes",
        failing("DownloadDataFiles", 429, retry_after="0"),
    ),
    "429 for long": Case(
        "kaggle: too many requests (429: told to fail); run again in 3600 s",
        failing("GET", 429, retry_after="3600"),
    ),
    "503": Case(
        "kaggle: not available (503, 6 times); run again later",
        failing("GET", 503, retry_after="0"),
    ),
    "no network": Case(
        "kaggle: no connection to Kaggle; check network and proxy, then run again",
        environment={"http_proxy": "http://127.0.0.1:9"},
    ),
    "wrong length": Case(
        "kaggle: the connection broke off (6 times); run again, it goes on where it stopped",
        announce(+100),
    ),
    "short": Case(
        "kaggle: cifar-10.zip arrived damaged (File is not a zip file); it was removed, run again",
        announce(-100),
    ),
    "damaged": Case(
        "kaggle: cifar-10.zip arrived damaged (checksum of train.7z); it was removed, run again",
        damage,
    ),
    "incomplete": Case(
        "kaggle: cifar-10.zip has no test.7z, or an empty one; params.yaml: is data.competition right?",
        leave_out_test,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_failure_is_one_line_and_leaves_nothing_wrong(name: str, user_folder: UserFolder, competition: Path) -> None:
    """What is left is what a fresh start finds, a part to go on from apart: so a retry is a start."""
    case = CASES[name]
    case.change(user_folder.server)
    assert user_folder.fails(*STAGE, VERBOSE="1", **case.environment) == case.message
    raw = user_folder.folder / "data/raw"
    left = [path.suffix for path in raw.rglob("*") if path.is_file()]
    assert left == ([".partial"] if name == "wrong length" else [])
    assert user_folder.holds_token() == []
    if name in RETRIED:
        user_folder.server.reset()
        user_folder.succeeds(*STAGE)
        for file in KEPT:
            assert (raw / file).read_bytes() == (competition / file).read_bytes()
        assert list((raw / ".downloads").iterdir()) == []


def test_passing_trouble_is_waited_out(user_folder: UserFolder, competition: Path) -> None:
    behaviour = user_folder.server.behaviour
    for method, status in {"IntrospectToken": 503, "DownloadDataFiles": 429, "GET": 503}.items():
        behaviour.failures[method] = Failure(status, retry_after="0", times=2)
    output = user_folder.succeeds(*STAGE)
    assert "kaggle: 429; attempt 3 of 6 in 0 s" in output
    assert (user_folder.folder / "data/raw/train.7z").read_bytes() == (competition / "train.7z").read_bytes()


def test_cut_connection_goes_on_where_it_stopped(user_folder: UserFolder, competition: Path) -> None:
    server = user_folder.server
    server.behaviour.cut_after = 150_000
    output = user_folder.succeeds(*STAGE)
    assert "kaggle: connection lost; attempt 2 of 6 in 1 s" in output
    assert 150_000 - CHUNK_BYTES < server.resumed_at() <= 150_000
    assert (user_folder.folder / "data/raw/train.7z").read_bytes() == (competition / "train.7z").read_bytes()


def test_what_arrived_before_a_failure_is_kept(user_folder: UserFolder, competition: Path) -> None:
    server = user_folder.server
    server.behaviour.cut_after = 150_000
    server.behaviour.failures["GET"] = Failure(503, retry_after="3600", after=2)
    assert user_folder.fails(*STAGE).startswith("kaggle: not available (503, 2 times)")
    server.reset()
    assert "resumed at 0.1 MB" in user_folder.succeeds(*STAGE)
    assert server.resumed_at() > 0
    assert (user_folder.folder / "data/raw/train.7z").read_bytes() == (competition / "train.7z").read_bytes()


def test_a_zip_that_was_being_unpacked_is_not_fetched_again(tmp_path: Path, server: StandIn) -> None:
    (tmp_path / "cifar-10.zip").write_bytes(server.data)
    assert download("cifar-10", tmp_path).read_bytes() == server.data
    assert server.requests == []


@pytest.mark.parametrize("file", ["access_token", "kaggle.json"])
def test_credentials_in_files(file: str, user_folder: UserFolder) -> None:
    folder = user_folder.folder / ".home/.kaggle"
    folder.mkdir(parents=True)
    content = {"access_token": TOKEN, "kaggle.json": json.dumps({"username": "student", "key": TOKEN})}
    (folder / file).write_text(content[file])
    (folder / file).chmod(0o600)
    user_folder.succeeds(*STAGE, KAGGLE_API_TOKEN=None)


def test_progress_bar_on_a_terminal(user_folder: UserFolder) -> None:
    """On a terminal a bar with size and speed; elsewhere plain lines (the other tests compare stderr)."""
    terminal, inside = pty.openpty()
    termios.tcsetwinsize(inside, (24, 120))
    command = [str(BIN / STAGE[0]), *STAGE[1:]]
    with subprocess.Popen(command, cwd=user_folder.folder, env=user_folder.variables(), stdout=inside, stderr=inside):
        os.close(inside)
        shown = b""
        with contextlib.suppress(OSError):  # the end, as Linux tells it
            while part := os.read(terminal, 1 << 16):
                shown += part
    os.close(terminal)
    assert re.search(r"cifar-10.zip: 100%\|.*\| 282k/282k \[.*B/s\]", shown.decode()), shown


def test_another_version_after_a_cut_starts_anew(user_folder: UserFolder, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    newer.mkdir()
    build_competition(newer, seed=1)
    user_folder.server.behaviour.cut_after = 150_000
    user_folder.server.behaviour.replacement = zip_folder(newer)
    output = user_folder.succeeds(*STAGE)
    assert "what was fetched before is of another version; starting anew" in output
    for file in KEPT:
        assert (user_folder.folder / "data/raw" / file).read_bytes() == (newer / file).read_bytes()


def test_unmodified_kaggle_command_downloads(user_folder: UserFolder, server: StandIn) -> None:
    user_folder.succeeds("kaggle", "competitions", "download", "-c", "cifar-10")
    assert (user_folder.folder / "cifar-10.zip").read_bytes() == server.data
    assert "train.7z" in user_folder.succeeds("kaggle", "competitions", "files", "-c", "cifar-10")


def test_competition_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data.competition: expected the end of its web address \(cifar-10\)"):
        download("../x", tmp_path / "downloads")
    assert list(tmp_path.iterdir()) == []
