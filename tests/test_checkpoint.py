import dataclasses
import io
from pathlib import Path

import pytest
import torch
from conftest import train_config

from cifar10.checkpoint import TrainedModel, load_model, save_model
from cifar10.config import InputError
from cifar10.models import build_model
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


def test_a_changed_provenance_is_noticed(saved: Path):
    content = torch.load(saved, weights_only=True)
    content["provenance"]["threads"] = 3
    saved.write_bytes(raw(content))
    with pytest.raises(InputError, match=r"model\.pt: damaged \(sha256 does not match\)"):
        load_model(saved)


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


@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_a_flipped_bit_is_noticed(saved: Path, place):
    data = bytearray(saved.read_bytes())
    data[int(len(data) * place)] ^= 0x40
    saved.write_bytes(data)
    with pytest.raises(InputError, match=r"model\.pt: (damaged|not a readable model file)"):
        load_model(saved)


def raw(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "not a readable model file"),
        (b"PK\x03\x04", "not a readable model file"),
        (b"hello world, this is text", "not a readable model file"),
        (raw({"weights": torch.zeros(1)}), "not a model file of this program"),
        (raw([1, 2]), "not a model file of this program"),
        (raw({"format": "cifar10 model 0"}), "not a model file of this program"),
        (raw({"format": "cifar10 model 1"}), "made by another version of this program"),
    ],
)
def test_what_is_not_a_model_is_one_line(tmp_path: Path, data, expected):
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    with pytest.raises(InputError) as error:
        load_model(path)
    assert str(error.value).startswith(f"{path}: {expected}")
    assert "\n" not in str(error.value)


def test_code_in_a_model_file_does_not_run(tmp_path: Path):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "model.pt").write_bytes(raw({"format": "cifar10 model 1", "x": Payload()}))
    with pytest.raises(InputError, match="not a readable model file"):
        load_model(tmp_path / "model.pt")
    assert not (tmp_path / "ran").exists()


def test_a_missing_model_says_what_makes_it(tmp_path: Path):
    with pytest.raises(InputError, match=r"model\.pt: not found; `dvc repro train` makes it"):
        load_model(tmp_path / "model.pt")
