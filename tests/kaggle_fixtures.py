"""Fixtures of the Kaggle tests: the stand-in, and a folder in which commands run against it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kaggle_stand_in import StandIn
from kaggle_user import ROOT, UserFolder
from small_competition import build_competition, zip_folder


@pytest.fixture(scope="session")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the four files that the stand-in hands out."""
    return tmp_path_factory.mktemp("competition")


@pytest.fixture(scope="session")
def running_server(competition: Path) -> Iterator[StandIn]:
    solution = build_competition(competition)
    server = StandIn(zip_folder(competition), solution)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running_server: StandIn) -> Iterator[StandIn]:
    """The stand-in, well-behaved at first; everything that the test sent out was sent to it."""
    running_server.reset()
    yield running_server
    assert {host for host, _, _ in running_server.requests} <= {"localhost"}


@pytest.fixture
def user_folder(tmp_path: Path, server: StandIn) -> UserFolder:
    """A folder with params.yaml (`data.source: kaggle`) and nothing else."""
    params = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("source: sample ", "source: kaggle "))
    return UserFolder(tmp_path, server)
