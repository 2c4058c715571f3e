import pytest
import torch
import torchvision
from conftest import train_config
from torch import nn

from cifar10.config import InputError
from cifar10.models import MODELS, ModelConfig, build_model, count_parameters
from cifar10.models.resnet import ResNet, resnet18, resnet18_improved

# Basic blocks without biases: a 3x3 convolution has 9 * in * out weights, a batch norm 2 * out.
#   stage 1: 4 * 9 * 64 * 64 + 4 * 128                                            =   147,968
#   stage 2: 9 * 64 * 128 + 3 * 9 * 128 * 128 + 64 * 128 + 5 * 256                =   525,568
#   stage 3: 9 * 128 * 256 + 3 * 9 * 256 * 256 + 128 * 256 + 5 * 512              = 2,099,712
#   stage 4: 9 * 256 * 512 + 3 * 9 * 512 * 512 + 256 * 512 + 5 * 1024             = 8,393,728
#   head:    512 * 10 + 10                                                        =     5,130
#   stem:    7 * 7 * 3 * 64 + 128 = 9,536                or 3 * 3 * 3 * 64 + 128  =     1,856
PARAMETERS = {"resnet18": 11_181_642, "resnet18_improved": 11_173_962}


def config(name: str, **options) -> ModelConfig:
    return ModelConfig(name=name, **{"stem_max_pool": None, **options})


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_its_pinned_size_and_shape(name):
    model = build_model(config(name), num_classes=10).eval()
    assert count_parameters(model) == PARAMETERS[name]
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert build_model(config(name), num_classes=3).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_overfits_one_batch(name):
    torch.manual_seed(0)
    model = build_model(config(name), num_classes=4).train()
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 4
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    loss = torch.tensor(torch.inf)
    for _ in range(15):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (model(images).argmax(1) == labels).all()
    assert loss.item() < 0.1


def with_torchvisions_names(model: ResNet) -> dict[str, torch.Tensor]:
    """Our state dict under the keys of torchvision's ResNet."""
    renamed = {}
    for key, value in model.state_dict().items():
        for ours, theirs in (
            ("stem.0.", "conv1."),
            ("stem.1.", "bn1."),
            ("stages.", "layer"),
            ("shortcut.", "downsample."),
            ("head.2.", "fc."),
        ):
            key = key.replace(ours, theirs)
        if key.startswith("layer"):
            key = f"layer{int(key[5]) + 1}{key[6:]}"
        renamed[key] = value
    return renamed


def test_resnet18_computes_what_torchvisions_does():
    torch.manual_seed(0)
    ours = resnet18(num_classes=10).eval()
    theirs = torchvision.models.resnet18(num_classes=10).eval()
    theirs.load_state_dict(with_torchvisions_names(ours))
    images = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize(("pool", "positions"), [(True, 16), (False, 32)])
def test_the_improved_stem_keeps_resolution(pool, positions):
    model = resnet18_improved(num_classes=10, stem_max_pool=pool)
    assert model.stem(torch.zeros(1, 3, 32, 32)).shape == (1, 64, positions, positions)


def test_the_seed_decides_the_weights():
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        weights.append(build_model(config("resnet18_improved"), 10).state_dict()["head.2.weight"])
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()


def test_an_option_that_a_model_lacks_is_an_error(monkeypatch):
    monkeypatch.setitem(MODELS, "plain", lambda num_classes: nn.Linear(1, num_classes))
    with pytest.raises(InputError, match=r"model\.stem_max_pool: plain has no such option; set it to null"):
        build_model(config("plain", stem_max_pool=True), 10)
    assert isinstance(build_model(config("plain"), 10), nn.Linear)


def test_the_default_model_is_the_improved_one():
    assert train_config().model.name == "resnet18_improved"
