"""Credential files that others can read are refused with the command that mends it; their content is never told."""

from pathlib import Path

import pytest
from kaggle_stand_in import TOKEN

from cifar10.competition.kaggle_credentials import NAMES, credential_files, refuse_readable_by_others
from cifar10.core.config import InputError


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    """A user's home without any credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def save(path: Path, mode: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TOKEN)
    path.chmod(mode)
    return path


PLACES = [f".kaggle/{name}" for name in NAMES] + [".config/kaggle/kaggle.json"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused_with_the_command_that_mends_it(home: Path, place, mode):
    path = save(home / place, mode)
    with pytest.raises(InputError) as error:
        refuse_readable_by_others()
    assert str(error.value) == f"{path}: others on this machine can read it; run `chmod 600 {path}`"
    path.chmod(0o600)
    refuse_readable_by_others()


def test_credentials_may_lie_elsewhere(home: Path, monkeypatch):
    paths = [save(home / "a b/kaggle.json", 0o644), save(home / "token.txt", 0o644)]
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(home / "a b"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", str(paths[1]))
    assert credential_files() == paths
    with pytest.raises(InputError, match=r"run `chmod 600 '.*/a b/kaggle\.json'`"):
        refuse_readable_by_others()


@pytest.mark.parametrize("token", [TOKEN, TOKEN * 12, ""])
def test_a_token_that_is_no_path_is_no_file(home: Path, monkeypatch, token):
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    assert credential_files() == []
    refuse_readable_by_others()
