import pytest
from conftest import ROOT

from cifar10.app.experiments.recipes import with_overrides
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
        ("schedule.milestones_epochs", [1, 2], "  milestones_epochs: [1, 2] "),
        ("augment.horizontal_flip", True, "  horizontal_flip: true  # mirror"),
        ("model.activation", None, "  activation: null      # plain"),
    ],
)
def test_a_value_is_replaced_in_its_line(key, value, line):
    edited = edit_yaml(TEXT, {key: value})
    changed = [new for old, new in zip(TEXT.splitlines(), edited.splitlines(), strict=True) if old != new]
    assert len(changed) <= 1
    assert any(text.startswith(line) for text in edited.splitlines())
    assert parse_yaml(edited, PARAMS) == with_overrides(parse_yaml(TEXT, PARAMS), {key: value})
