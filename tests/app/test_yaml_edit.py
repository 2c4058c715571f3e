import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from dvc.utils.hydra import apply_overrides

from cifar10.app.experiments.recipes import parse_settings, with_overrides
from cifar10.app.yaml_edit import edit_yaml
from cifar10.core.config import PARAMS, parse_yaml

TEXT = (ROOT / "params.yaml").read_text()


def test_nothing_changed_is_the_same_text():
    assert edit_yaml(TEXT, {}) == TEXT


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("lr", 0.5, "lr: 0.5                 # peak learning rate of the schedule"),
        ("data.path", "/a b/c: d.zip", "  path: '/a b/c: d.zip' # for local"),
        ("optimizer.weight_decay", 1e-5, "  weight_decay: 1e-05   # on convolution"),
        ("schedule.milestones_epochs", [1, 2], "  - 2"),
        ("augment.horizontal_flip", True, "  horizontal_flip: true  # mirror"),
        ("model.activation", None, "  activation:           # plain"),
    ],
)
def test_a_value_is_replaced_in_its_line(key, value, line):
    edited = edit_yaml(TEXT, {key: value})
    added = set(edited.splitlines()) - set(TEXT.splitlines())
    assert len(added) <= (len(value) if isinstance(value, list) else 1)
    assert any(text.startswith(line) for text in edited.splitlines())
    assert parse_yaml(edited, PARAMS) == with_overrides(parse_yaml(TEXT, PARAMS), {key: value})
    assert comments(edited) == comments(TEXT)


def comments(text: str) -> list[str]:
    return [line.partition("# ")[2] for line in text.splitlines() if "# " in line]


@pytest.mark.parametrize(
    "override", ["epochs=1", "data.path=/images", "model.activation=elu", "schedule.factors=[0.5]"]
)
def test_dvc_writes_the_same_form(tmp_path: Path, override):
    params = tmp_path / "params.yaml"
    params.write_text(TEXT)
    apply_overrides(str(params), [override])
    changes = parse_settings([override])
    assert params.read_text() == edit_yaml(TEXT, changes)
    if not override.endswith("]"):
        pairs = zip(TEXT.splitlines(), params.read_text().splitlines(), strict=True)
        assert sum(old != new for old, new in pairs) == 1


def test_dvcs_commands_leave_dvc_yaml_as_it_was(tmp_path: Path):
    pipeline = tmp_path / "dvc.yaml"
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    stages = list(parse_yaml(pipeline.read_text(), pipeline)["stages"])

    def dvc(*arguments: str) -> None:
        subprocess.run(["dvc", *arguments], cwd=tmp_path, capture_output=True, check=True)

    dvc("init", "--no-scm")
    dvc("freeze", *stages)
    assert pipeline.read_text() != (ROOT / "dvc.yaml").read_text()
    dvc("unfreeze", *stages)
    assert pipeline.read_text() == (ROOT / "dvc.yaml").read_text()
