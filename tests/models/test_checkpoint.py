import dataclasses
import io
from pathlib import Path

import pytest
import torch
from conftest import train_config

from cifar10.core.config import InputError
from cifar10.models import build_model
from cifar10.models.checkpoint import FORMAT, TrainedModel, check_classes, load_model, save_model, seal
from cifar10.models.ensemble import join, members_of


@pytest.fixture
def trained() -> TrainedModel:
    torch.manual_seed(0)
    config = train_config(model__stem_max_pool=False).model
    provenance = {"code": "ab12", "threads": 2, "versions": {"torch": "2.14.1"}}
    return TrainedModel(build_model(config, 3), config, ["a", "b", "c"], [0.1, 0.2, 0.3], [0.4, 0.5, 0.6], provenance)


@pytest.fixture
def saved(tmp_path: Path, trained: TrainedModel) -> Path:
    save_model(tmp_path / "model.pt", trained)
    return tmp_path / "model.pt"


def test_a_model_comes_back_whole(saved: Path, trained: TrainedModel):
    loaded = load_model(saved)
    assert (loaded.config, loaded.classes, loaded.mean, loaded.std, loaded.provenance) == (
        trained.config, trained.classes, trained.mean, trained.std, trained.provenance,
    )  # fmt: skip
    images = torch.randn(2, 3, 32, 32)
    assert not loaded.model.training
    assert (loaded.model(images) == trained.model.eval()(images)).all()


def test_equal_models_make_equal_files_whatever_their_name(tmp_path: Path, saved: Path, trained: TrainedModel):
    save_model(tmp_path / "other.pt", trained)
    assert saved.read_bytes() == (tmp_path / "other.pt").read_bytes()


def test_plain_torch_opens_it(saved: Path):
    content = torch.load(saved, weights_only=True)
    assert content["classes"] == ["a", "b", "c"]
    assert content["model"]["name"] == "resnet18_improved"
    assert content["model"]["stem_max_pool"] is False


def test_an_ensemble_comes_back_whole(tmp_path: Path, trained: TrainedModel):
    networks = [trained.model, build_model(trained.config, 3)]
    save_model(tmp_path / "model.pt", dataclasses.replace(trained, model=join(networks)))
    loaded = load_model(tmp_path / "model.pt")
    images = torch.randn(2, 3, 32, 32)
    assert not loaded.model.training
    assert (loaded.model(images) == join(networks).eval()(images)).all()
    assert (members_of(loaded.model)[1](images) == networks[1](images)).all()


def test_the_file_of_one_network_says_nothing_of_members(saved: Path):
    assert "members" not in torch.load(saved, weights_only=True)


def test_a_file_from_before_an_option_was_there_opens(saved: Path, trained: TrainedModel):
    content = torch.load(saved, weights_only=True)
    for option in ("frame_pixels", "dropout_last", "widths", "group_convolutions"):
        del content["model"][option]
    buffer = io.BytesIO()
    torch.save(content, buffer)
    saved.write_bytes(seal(buffer.getvalue()))
    assert load_model(saved).config == trained.config


def test_a_missing_model_says_what_makes_it(tmp_path: Path):
    with pytest.raises(InputError, match=r"model\.pt: not found; `dvc repro train` makes it"):
        load_model(tmp_path / "model.pt")


class Payload:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_code_in_a_model_file_does_not_run_even_where_torch_is_told_to(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "x": Payload(tmp_path / "ran")}, buffer)
    (tmp_path / "model.pt").write_bytes(seal(buffer.getvalue()))
    with pytest.raises(InputError, match="not a readable model file"):
        load_model(tmp_path / "model.pt")
    assert not (tmp_path / "ran").exists()
    buffer.seek(0)
    torch.load(buffer, weights_only=False)
    assert (tmp_path / "ran").exists()  # the payload works


def test_nothing_is_unpacked_before_its_checksum_is_right(saved: Path, monkeypatch):
    saved.write_bytes(saved.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(InputError, match="damaged"):
        load_model(saved)


def test_a_model_file_asks_for_no_other_file(saved: Path):
    content = torch.load(saved, weights_only=True)
    content["model"]["pretrained"] = "/etc/passwd.pth"
    buffer = io.BytesIO()
    torch.save(content, buffer)
    saved.write_bytes(seal(buffer.getvalue()))
    assert load_model(saved).config.pretrained is None


def test_other_classes_than_the_datas_are_refused(trained: TrainedModel):
    check_classes(trained, ["a", "b", "c"], Path("model.pt"))
    for classes in (["a", "b"], ["a", "c", "b"]):
        with pytest.raises(InputError, match=r"^model\.pt: of other classes \(a, b, c\) than the data \("):
            check_classes(trained, classes, Path("model.pt"))
