"""What no input can reach: code that runs, a shell, a server that counts runs."""

import ast
import configparser
import re

import pytest
from conftest import ROOT
from test_architecture import MODULES, imported_names


@pytest.mark.parametrize("module", MODULES)
def test_what_is_read_can_run_nothing(module):
    """Every `torch.load` says `weights_only=True` itself; nothing else unpickles, evaluates or goes through a shell."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Call):
            name, options = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert name not in ("eval", "exec", "os.system", "os.popen"), node.lineno
            assert "shell" not in options, node.lineno
            assert "allow_pickle" not in options, node.lineno
            if name == "torch.load":
                assert options["weights_only"] == "True", node.lineno
            if name == "YAML":
                assert options["typ"] in ("'safe'", "'rt'"), node.lineno
    assert not {"pickle", "shelve", "dill", "joblib", "yaml"} & {name.split(".")[0] for name in imported_names(module)}


def test_dvc_sends_no_usage_data_from_a_fresh_clone():
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / ".dvc/config")
    assert configuration["core"]["analytics"] == "false"


def test_every_file_that_the_security_page_names_is_there():
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`([\w/]+\.py)`", page))
    assert len(paths) > 10
    assert {path for path in paths if not (ROOT / "src/cifar10" / path).is_file()} == set()
