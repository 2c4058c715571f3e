"""Long steps show a bar on a terminal and plain lines elsewhere, and never a colour."""

import io
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from conftest import train_config, write_params

from cifar10.data.dataset import PreparedData
from cifar10.stages import prepare
from cifar10.training.fit import fit

COLOR = re.compile(r"\x1b\[[0-9;]*m")


class Screen(io.StringIO):
    """A terminal, or a pipe."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def screen(request: pytest.FixtureRequest) -> Screen:
    return Screen(request.param)


def test_epochs(screen: Screen, tiny_data: PreparedData):
    with redirect_stdout(screen), redirect_stderr(screen):
        fit(tiny_data, train_config(model__name="lenet", epochs=2))
    text = screen.getvalue()
    assert len(re.findall(r"(?:\r|\n)epoch \d/2  train loss \d\.\d{4} acc \d\.\d{4}  val loss", text)) == 2
    assert bool(re.search(r"train: 100%\|.*\| 8/8 .*loss \d\.\d{3}, acc \d\.\d{3}", text)) == screen.terminal
    assert ("\r" in text) == screen.terminal
    assert not COLOR.search(text)


def test_decoding(screen: Screen, tiny_raw: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path / "params.yaml", {})
    with redirect_stdout(screen), redirect_stderr(screen):
        prepare.main(tiny_raw, tmp_path / "prepared", tmp_path / "data.json")
    text = screen.getvalue()
    assert ("prepare: train.7z: 100%|" in text) == screen.terminal
    assert ("\r" in text) == screen.terminal
    assert not COLOR.search(text)
