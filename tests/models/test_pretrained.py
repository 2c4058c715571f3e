from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from test_models import config

from cifar10.core.config import InputError
from cifar10.models import build_model


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """Weights in the layout of torchvision's ImageNet files: 1,000 classes."""
    torch.manual_seed(7)
    torch.save(torchvision.models.resnet18(num_classes=1000).state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_all_but_the_classifier_is_taken(imagenet: Path, ending, capsys):
    weights = torch.load(imagenet, weights_only=True)
    path = imagenet.with_suffix(ending)
    if ending == ".safetensors":
        save_file(weights, path)
    model = build_model(config("resnet18_torchvision", pretrained=str(path)), 10)
    own = model.state_dict()
    assert own["fc.weight"].shape == (10, 512)
    assert all((own[key] == weights[key]).all() for key in own if not key.startswith("fc."))
    assert "all weights taken but fc.bias, fc.weight" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda weights: {key: value for key, value in weights.items() if "num_batches_tracked" not in key},
        lambda weights: {f"module.{key}": value for key, value in weights.items()},
        lambda weights: {"epoch": 90, "state_dict": weights},
        lambda weights: {"state_dict": {f"module.{key}": value for key, value in weights.items()}},
    ],
    ids=["before batches were counted", "of data-parallel training", "a checkpoint", "both"],
)
def test_the_same_weights_in_the_forms_that_people_have(imagenet: Path, wrapped):
    weights = torch.load(imagenet, weights_only=True)
    path = imagenet.with_name("other.pth")
    torch.save(wrapped(weights), path)
    own = build_model(config("resnet18_torchvision", pretrained=str(path)), 10).state_dict()
    assert all((own[key] == weights[key]).all() for key in own if not key.startswith("fc."))


def test_torchvisions_enum_is_known_by_name(imagenet: Path, monkeypatch):
    weights = torch.load(imagenet, weights_only=True)
    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", lambda self, **options: weights)
    model = build_model(config("resnet18_torchvision", pretrained="ResNet18_Weights.IMAGENET1K_V1"), 10)
    assert (model.state_dict()["conv1.weight"] == weights["conv1.weight"]).all()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("nowhere.pth", "nowhere.pth does not exist"),
        ("ResNet18_Weights.NONE", "'ResNet18_Weights.NONE' is neither a torchvision weights enum nor"),
        ("imagenet", "'imagenet' is neither a torchvision weights enum nor"),
        ("text.pth", "text.pth is not a file of weights"),
        ("text.safetensors", "text.safetensors is not a file of weights"),
    ],
)
def test_what_is_not_weights_is_one_line(tmp_path: Path, monkeypatch, source, expected):
    monkeypatch.chdir(tmp_path)
    for name in ("text.pth", "text.safetensors"):
        Path(name).write_text("hello")
    with pytest.raises(InputError) as error:
        build_model(config("resnet18_torchvision", pretrained=source), 10)
    assert str(error.value).startswith(f"params.yaml: model.pretrained: {expected}")
    assert "\n" not in str(error.value)


def test_another_networks_weights_do_not_fit(imagenet: Path):
    with pytest.raises(InputError, match=r"does not fit this network: it lacks 0\.bias"):
        build_model(config("lenet", pretrained=str(imagenet)), 10)
