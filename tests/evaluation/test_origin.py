from pathlib import Path

import pytest
from conftest import ROOT

from cifar10.engine.provenance import code_digest
from cifar10.evaluation import origin
from cifar10.evaluation.origin import changed_keys


def test_changed_keys_are_dotted():
    default = {"lr": 0.1, "data": {"source": "sample", "path": None}}
    assert changed_keys(default, {"lr": 0.1, "data": {"source": "local", "path": None}, "new": 1}) == {
        "data.source": "local",
        "new": 1,
    }
    assert changed_keys(default, default) == {}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, value in (("NAME", "test"), ("EMAIL", "test@localhost")):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("1")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
        origin.git(*arguments)
    return tmp_path


def test_a_changed_parameter_is_told_and_changed_code_makes_the_commit_dirty(repository: Path):
    clean = origin.commit()
    assert len(clean) >= 7
    assert origin.changed_params() == {}
    text = (repository / "params.yaml").read_text()
    (repository / "params.yaml").write_text(text.replace("epochs: 4 ", "epochs: 9 ").replace("  path: ", "  path: /x "))
    assert origin.changed_params() == {"epochs": 9}
    assert origin.commit() == clean
    (repository / "src/a.py").write_text("2")
    assert origin.commit() == f"{clean}-dirty"


def test_a_stages_code_leads_to_its_commit_and_no_further(repository: Path):
    """The digest is of the stage's own files: other files, and commits of the same files, leave it."""
    (repository / "dvc.yaml").write_text("stages: {train: {deps: [data, src/a.py, src/models]}, other: {deps: [src]}}")
    (repository / "src/models").mkdir()
    (repository / "src/models/b.py").write_text("b")
    (repository / "src/models/__pycache__").mkdir()
    (repository / "src/models/__pycache__/b.pyc").write_text("compiled")
    digest = code_digest("train")
    assert origin.commit_with("train", digest) == ""
    origin.git("add", "dvc.yaml", "src/a.py", "src/models/b.py")
    origin.git("commit", "-qm", "code")
    commit = origin.commit()
    assert origin.commit_with("train", digest) == commit
    (repository / "src/c.py").write_text("other")
    origin.git("add", "src/c.py")
    origin.git("commit", "-qm", "another module")
    assert origin.commit() != commit
    assert code_digest("train") == digest
    assert origin.commit_with("train", digest) == commit
    (repository / "src/models/b.py").write_text("changed")
    changed = code_digest("train")
    assert changed != digest
    assert origin.commit_with("train", changed) == ""
    assert origin.commit_with("train", digest) == commit
    assert code_digest("unknown") is None
    assert origin.commit_with("train", None) == ""


def test_without_git_nothing_is_claimed(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert origin.commit() == ""
    assert origin.experiment() == "workspace"
    assert origin.changed_params() == {}
    assert code_digest("train") is None
    assert origin.commit_with("train", "ab12") == ""


def test_the_last_commits_out_is_read_from_dvcs_cache(repository: Path):
    metrics = Path("reports/eval/metrics.json")
    assert origin.committed_out(metrics) is None  # no lock file yet
    lock = "schema: '2.0'\nstages:\n  a:\n    cmd: a\n  b:\n    outs:\n    - path: {}\n      md5: abcdef\n"
    (repository / "dvc.lock").write_text(lock.format(metrics))
    assert origin.committed_out(metrics) is None  # not committed
    origin.git("add", "dvc.lock")
    origin.git("commit", "-qm", "run")
    assert origin.committed_out(metrics) is None  # not in the cache
    cached = repository / ".dvc/cache/files/md5/ab/cdef"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"{}")
    assert origin.committed_out(metrics) == b"{}"
    assert origin.committed_out(Path("other.json")) is None
