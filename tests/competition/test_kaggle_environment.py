"""What containers, networks, old installations and logins do to the client, and the line that is told instead."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kaggle_behaviour import Failure
from kaggle_stand_in import REFRESH_TOKEN, TOKEN
from kaggle_user import UserFolder
from packaging.requirements import Requirement

from cifar10.app.health.doctor import _project
from cifar10.competition import kaggle_client
from cifar10.competition.kaggle_client import OLDEST, check_network_settings, check_version
from cifar10.core.config import InputError

pytest_plugins = ["kaggle_fixtures"]

STAGE = ("python", "-m", "cifar10.stages.download", "data/raw")


# --- containers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("home", ["/proc", None])
def test_a_home_that_cannot_be_written_or_is_nowhere_needs_none(home: str | None, user_folder: UserFolder) -> None:
    """As of `docker run --read-only`, and `--user` with a number: the client would make a folder for kaggle.json."""
    user_folder.succeeds(*STAGE, HOME=home, XDG_CONFIG_HOME="/proc/nowhere")
    assert not (user_folder.folder / "~").exists()


def test_an_empty_variable_counts_as_not_set(user_folder: UserFolder) -> None:
    user_folder.succeeds(*STAGE, KAGGLE_USERNAME="", KAGGLE_KEY="", KAGGLE_CONFIG_DIR="")
    assert not user_folder.home.exists()


# --- the client's versions ---------------------------------------------------------------------------------------


def install(user_folder: UserFolder, version: str, code: str) -> dict[str, str | None]:
    """A package `kaggle` before the real one on the path, of a version and with the code of its import."""
    place = user_folder.folder / f"kaggle-{version}"
    for path, text in {"kaggle/__init__.py": code, f"kaggle-{version}.dist-info/METADATA": METADATA + version}.items():
        (place / path).parent.mkdir(parents=True)
        (place / path).write_text(f"{text}\n")
    return {"PYTHONPATH": str(place)}


TOO_OLD = "kaggle: the package kaggle 2.2.3 is too old; `pip install 'kaggle>=2.2.4'`"
METADATA = "Metadata-Version: 2.1\nName: kaggle\nVersion: "


@pytest.mark.parametrize(
    ("version", "code", "told"),
    [
        ("2.2.3", "exit(1)", TOO_OLD),
        ("2.9.0", "exit(1)", "kaggle: the package kaggle 2.9.0 cannot be used (SystemExit: 1)"),
        ("2.9.0", "import nowhere", "cannot be used (ModuleNotFoundError: No module named 'nowhere')"),
        ("2.9.0", "", "cannot be used (AttributeError: module 'kaggle' has no attribute 'api')"),
    ],
)
def test_whatever_the_client_does_at_import_is_told(
    version: str, code: str, told: str, user_folder: UserFolder
) -> None:
    assert told in user_folder.fails(*STAGE, **install(user_folder, version, code))


def test_the_oldest_version_is_the_one_that_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    required = next(Requirement(line) for line in _project()["dependencies"] if line.startswith("kaggle"))
    assert str(required.specifier) == f">={OLDEST}"
    monkeypatch.setattr(kaggle_client, "version", lambda name: "2.2.0")
    with pytest.raises(InputError, match=r"kaggle 2\.2\.0 is too old"):
        check_version()


# --- `kaggle auth login` -----------------------------------------------------------------------------------------


def log_in(user_folder: UserFolder, refresh_token: str, hours: float) -> Path:
    path = user_folder.home / ".kaggle/credentials.json"
    path.parent.mkdir(parents=True)
    expires = datetime.now(UTC) + timedelta(hours=hours)
    content = {"refresh_token": refresh_token, "access_token": "KGAT_of_before", "username": "student"}
    path.write_text(json.dumps(content | {"access_token_expiration": expires.isoformat()}))
    path.chmod(0o600)
    return path


def test_a_login_is_renewed(user_folder: UserFolder) -> None:
    path = log_in(user_folder, REFRESH_TOKEN, hours=-2)
    user_folder.succeeds(*STAGE, KAGGLE_API_TOKEN=None)
    assert json.loads(path.read_text())["access_token"] == TOKEN


EXPIRED = "kaggle: the login of `kaggle auth login` has expired (401); run `kaggle auth login` again"


@pytest.mark.parametrize("hours", [-2, -0.2, 2])
def test_an_expired_login_is_told_as_that(hours: float, user_folder: UserFolder) -> None:
    """Whether it cannot be renewed, is just over, which the client does not see, or was revoked before its time."""
    log_in(user_folder, "KGAT_revoked", hours)
    told = user_folder.fails(*STAGE, KAGGLE_API_TOKEN=None)
    assert told == (EXPIRED if hours == -2 else EXPIRED.replace("401", "401: Unauthorized"))


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (403, "kaggle: the credentials were refused (403: Blocked by policy 7); get a new token at "),
        (451, "kaggle: cifar-10: refused (451: Blocked by policy 7); see "),
    ],
)
def test_the_words_are_told_that_the_client_keeps_to_itself(status, told, user_folder: UserFolder) -> None:
    """As of a proxy that lets nobody through: it takes 403 for the token's fault, as Kaggle's may be."""
    page = Failure(status, body="<html><title>Blocked by policy 7</title></html>")
    user_folder.server.behaviour.failures["IntrospectToken"] = page
    assert user_folder.fails(*STAGE).startswith(told)


# --- proxies and certificates ------------------------------------------------------------------------------------


PROXY = "kaggle: https_proxy: is no address; it takes http://HOST:PORT"


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("https_proxy", "http://name:secret@proxy:port", "is no address"),
        ("HTTPS_PROXY", "htp://proxy:3128", "is of no kind that can be used"),
        ("ALL_PROXY", "http://:3128", "names no host"),
        ("https_proxy", "socks5://proxy:1080", "is a SOCKS proxy, which needs `pip install pysocks`"),
        ("https_proxy", "http://pröxy name:3128", "is no address"),
        ("https_proxy", "http://proxy:3128\r", "is no address"),
        ("https_proxy", '"http://proxy:3128"', "is of no kind that can be used"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_by_its_variable(name, value, what, monkeypatch) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.delenv("KAGGLE_API_ENVIRONMENT", raising=False)
    monkeypatch.setattr(kaggle_client, "find_spec", lambda module: None)
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as error:
        check_network_settings()
    assert str(error.value) == PROXY.replace("https_proxy", name).replace("is no address", what)
    monkeypatch.setenv("no_proxy", "kaggle.com")
    check_network_settings()


def test_a_proxy_that_can_be_used_is(monkeypatch) -> None:
    for value in ("proxy:3128", "http://name:word@proxy.example:3128", "https://[::1]:3128/"):
        monkeypatch.setenv("https_proxy", value)
        check_network_settings()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(InputError, match=r"REQUESTS_CA_BUNDLE: /nowhere/ca\.pem: there is no such file"):
        check_network_settings()
