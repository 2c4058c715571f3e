import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from conftest import ROOT, read_default_params, write_params

from cifar10.app.cli import main
from cifar10.app.health import doctor
from cifar10.app.health.doctor import Finding
from cifar10.core.config import DataConfig
from cifar10.engine.runtime import RuntimeConfig


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch) -> Path:
    """A checkout with the default parameters, and a user without credentials."""
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    (home / ".kaggle").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "project/.dvc").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    Path(".dvc/config").write_text("[core]\n    no_scm = true\n")
    Path("dvc.yaml").write_text("stages: {}\n")
    write_params(Path("params.yaml"), {})
    shutil.copy(ROOT / "pyproject.toml", ".")
    return tmp_path / "project"


def data_config(**changes: str) -> DataConfig:
    return DataConfig.model_validate({**read_default_params()["data"], **changes})


def runtime_config(**changes: str | int) -> RuntimeConfig:
    return RuntimeConfig.model_validate({**read_default_params()["runtime"], **changes})


def test_all_is_well(capsys):
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["Python", "torch"]
    assert lines[-1] == "the run can go on: `dvc repro`"
    assert not [line for line in lines if line.startswith("repaired")]


def test_it_repairs_and_ends_with_code_1_for_what_it_cannot(project: Path, capsys):
    write_params(project / "params.yaml", {"data.source": "kaggle"})
    (project / "dvc.lock").write_text("")
    with pytest.raises(SystemExit) as stop:
        main(["doctor"])
    assert stop.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "repaired: dvc.lock: cut off by a kill; removed, `dvc repro` writes it anew"
    assert lines[-1].startswith("error: Kaggle: no credentials; set KAGGLE_API_TOKEN, or save ")


def test_repair_alone_looks_at_nothing_else(project: Path, capsys):
    main(["doctor", "--repair-only"])
    assert capsys.readouterr().out == "nothing to repair\n"
    (project / ".dvc/tmp/rwlock").write_text("")
    main(["doctor", "--repair-only"])
    assert capsys.readouterr().out == "repaired: .dvc/tmp/rwlock: unreadable after a kill; removed\n"


@pytest.mark.parametrize(("found", "fits"), [("3.11.0", True), ("3.14.1", True), ("3.10.9", False)])
def test_python_must_be_new_enough(monkeypatch, found, fits):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: found)
    (finding,) = doctor.check_python()
    assert finding.stops != fits
    assert finding.text.startswith(f"Python {found}")


def test_packages_must_be_what_pyproject_asks_for(monkeypatch):
    there = doctor.version

    def version(name: str) -> str:
        if name == "tqdm":
            raise doctor.PackageNotFoundError
        return "1.0" if name == "torchvision" else there(name)

    monkeypatch.setattr(doctor, "version", version)
    findings = doctor.check_packages()
    stops = [finding.text for finding in findings if finding.stops]
    assert len(stops) == 2
    assert stops[0].startswith("torchvision 1.0: torchvision")
    assert stops[1] == "tqdm: not installed; `make` installs it"
    assert findings[-1] == Finding(f"torch {there('torch')}")


@pytest.mark.parametrize(
    ("gpus", "changes", "text", "stops"),
    [
        (0, {}, "GPU: none", False),
        (0, {"device": "cuda"}, "params.yaml has runtime.device: cuda", True),
        (2, {"num_processes": 2}, "GPU: 2 x Test", False),
        (2, {"num_processes": 3}, "runtime.num_processes: 3 in params.yaml, but 2 GPUs are visible", True),
    ],
)
def test_the_gpus_that_are_asked_for_must_be_there(monkeypatch, gpus, changes, text, stops):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Test")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    last = doctor.check_gpu(runtime_config(**changes))[-1]
    assert text in last.text
    assert last.stops == stops


def test_the_disk_must_hold_what_is_not_there_yet(monkeypatch, tmp_path: Path):
    config = data_config(source="kaggle")
    everything = doctor.needed_mb(config)
    assert everything == pytest.approx(3 * 715 + 2 * 1076 + doctor.TRAINING_MB)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 4_000_000_000))
    (finding,) = doctor.check_disk(config)
    assert finding.stops
    assert "4,000 MB free on " in finding.text
    assert finding.text.endswith(f" {everything:,.0f} MB needed; free some space")
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/solution.csv").touch()
    assert doctor.needed_mb(config) == pytest.approx(2 * 1076 + doctor.TRAINING_MB)
    assert not doctor.check_disk(config)[0].stops
    images = tmp_path / "images"
    images.mkdir()
    (images / "1.png").write_bytes(bytes(3_000_000))
    assert doctor.needed_mb(data_config(source="local", path=str(images))) == pytest.approx(12 + doctor.TRAINING_MB)


@pytest.mark.parametrize(
    ("environment", "files", "there"),
    [
        ({}, [], False),
        ({"KAGGLE_API_TOKEN": "secret"}, [], True),
        ({"KAGGLE_USERNAME": "somebody"}, [], False),
        ({"KAGGLE_USERNAME": "somebody", "KAGGLE_KEY": "secret"}, [], True),
        ({}, [(".kaggle/access_token", "secret")], True),
        ({}, [(".kaggle/kaggle.json", '{"username": "somebody", "key": "secret"}')], True),
        ({}, [(".kaggle/kaggle.json", "secret")], False),
        ({}, [(".kaggle/kaggle.json", '{"key": "secret"}')], False),
        ({}, [(".kaggle/credentials.json", '{"refresh_token": "secret"}')], True),
        ({}, [(".config/kaggle/kaggle.json", '{"username": "somebody", "key": "secret"}')], True),
        ({}, [(".kaggle/access_token", "\ufeffsecret")], False),
    ],
)
def test_credentials_are_found_as_the_client_does_and_never_told(monkeypatch, environment, files, there):
    (Path.home() / ".kaggle").rmdir()  # the client looks into ~/.config only where there is none
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name, content in files:
        path = Path.home() / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
        path.chmod(0o600)
    findings = doctor.check_credentials(needed=True)
    assert any(finding.stops for finding in findings) != there
    assert "secret" not in repr(findings)


def test_credentials_that_others_can_read_are_told_with_the_command():
    path = Path.home() / ".kaggle/access_token"
    path.write_text("secret")
    path.chmod(0o644)
    assert doctor.check_credentials(needed=True) == [
        Finding(f"Kaggle: {path}: others on this machine can read it; run `chmod 600 {path}`", stops=True)
    ]
    assert not any(finding.stops for finding in doctor.check_credentials(needed=False))
    path.chmod(0o600)
    assert doctor.check_credentials(needed=True) == [Finding(f"Kaggle: credentials are there: {path}")]
