from contextlib import nullcontext

import pytest
import torch
import torchvision
from conftest import train_config
from torch import nn
from torchvision.transforms import v2

from cifar10.core.config import InputError
from cifar10.models import MODELS, ModelConfig, build_model, count_parameters, takes_any_size
from cifar10.models.layers import ACTIVATIONS, INITIALIZERS
from cifar10.models.resnet import ResNet, resnet18, resnet18_improved

# A convolution has kernel^2 * in * out weights (+ out biases), a batch norm 2 * out, a linear layer in * out + out.
#
# lenet    456 + 2,416 + 48,120 + 10,164 + 850
# cnn2     (1,216 + 32) + (12,832 + 64) + 20,490
# cnn3     (1,216 + 32) + (12,832 + 64) + (51,264 + 128) + 10,250
# mynet    (1,792 + 128) + (73,856 + 256) + (73,792 + 128) + (18,464 + 64) + 5,310,464 + 20,490
# dainet1  (912 + 24) + (2,616 + 48) + (2,604 + 24) + 24,704 + 10,836 + 850
# dainet7  1,792 + 36,928 + 73,856 + 147,584 + 295,168 + 590,080, norms 2 * 2 * (64 + 128 + 256), 2,570
#
# fastnet  13,824 + 36,864 + 147,456 + 3 * 589,824, norm biases 2 * 64 + 4 * 256, head 2,560; the stem is not trained
#
# Residual networks have no biases but the head's. ResNet-18 by stages:
#   stage 1: 4 * 9 * 64 * 64 + 4 * 128                                            =   147,968
#   stage 2: 9 * 64 * 128 + 3 * 9 * 128 * 128 + 64 * 128 + 5 * 256                =   525,568
#   stage 3: 9 * 128 * 256 + 3 * 9 * 256 * 256 + 128 * 256 + 5 * 512              = 2,099,712
#   stage 4: 9 * 256 * 512 + 3 * 9 * 512 * 512 + 256 * 512 + 5 * 1024             = 8,393,728
#   head:    512 * 10 + 10                                                        =     5,130
#   stem:    7 * 7 * 3 * 64 + 128 = 9,536                or 3 * 3 * 3 * 64 + 128  =     1,856
# ResNet-9 has the first block of each:
#   73,984 + (9 * 64 * 128 + 9 * 128 * 128 + 64 * 128 + 3 * 256) + (... 256) + (... 512) + 5,130 + 1,856
# ResNet-50 is torchvision's 25,557,032 with 10 classes (- 2,049,000 + 20,490) and the 3x3 stem (- 9,408 + 1,728).
PARAMETERS = {
    "lenet": 62_006,
    "cnn2": 34_634,
    "cnn3": 75_786,
    "mynet": 5_499_434,
    "dainet1": 42_618,
    "dainet7": 1_149_770,
    "fastnet": 1_971_328,
    "resnet9": 73_984 + 230_144 + 919_040 + 3_673_088 + 5_130 + 1_856,
    "resnet18": 11_181_642,
    "resnet18_improved": 11_173_962,
    "resnet18_torchvision": 11_181_642,
    "resnet50": 23_520_842,
}


def config(name: str, **options) -> ModelConfig:
    return ModelConfig.model_validate({**dict.fromkeys(ModelConfig.model_fields), "name": name, **options})


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
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    loss = torch.tensor(torch.inf)
    for _ in range(100):  # the slowest, dainet1, needs 36
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.2:  # before the first step it is 1.4
            return
    pytest.fail(f"the loss is still {loss.item():.2f}")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_goes_into_every_plain_network(activation):
    for name in ("lenet", "cnn2", "cnn3", "mynet", "dainet1", "dainet7"):
        model = build_model(config(name, activation=activation), 10)
        kinds = [type(module) for module in model.modules()]
        assert type(ACTIVATIONS[activation]()) in kinds
        assert (nn.ReLU in kinds) == (activation == "relu")


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        # Glorot and Bengio 2010: variance 2 / (fan in + fan out); He et al. 2015: 2 / fan in.
        ("xavier_uniform", (2 / (9 * 512 + 9 * 512)) ** 0.5),
        ("xavier_normal", (2 / (9 * 512 + 9 * 512)) ** 0.5),
        ("kaiming_uniform", (2 / (9 * 512)) ** 0.5),
        ("kaiming_normal", (2 / (9 * 512)) ** 0.5),
        ("orthogonal", (1 / (9 * 512)) ** 0.5),
    ],
)
def test_every_initialization_has_its_published_spread(name, spread):
    torch.manual_seed(0)
    model = build_model(config("resnet9", initialization=name), 10)
    weight = dict(model.named_parameters())["stages.3.0.conv2.weight"]
    assert weight.std().item() == pytest.approx(spread, rel=0.02)
    assert set(INITIALIZERS) == {"xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"}


def test_pytorchs_initialization_is_what_its_layers_do_by_themselves():
    """Uniform within 1 / sqrt(fan in), so a deviation of 1 / sqrt(3 fan in): 0.024 for 64 maps."""
    torch.manual_seed(0)
    drawn = build_model(config("resnet18_improved", initialization="pytorch"), 10)
    weight = dict(drawn.named_parameters())["stages.0.0.conv2.weight"]
    assert weight.std().item() == pytest.approx((3 * 9 * 64) ** -0.5, rel=0.02)
    assert weight.abs().max().item() <= (9 * 64) ** -0.5
    for name in ("lenet", "cnn3"):  # nothing was redrawn after their layers were made
        torch.manual_seed(1)
        by_itself = build_model(config(name), 10)
        torch.manual_seed(1)
        for module in by_itself.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                before = [parameter.clone() for parameter in module.parameters()]
                module.reset_parameters()
                assert all((one == other).all() for one, other in zip(before, module.parameters(), strict=True))


@pytest.mark.parametrize("name", ["cnn2", "cnn3"])
def test_the_frame_is_torchvisions_pad_and_resize(name):
    """The study's transforms, which round to whole grey levels in between, then its normalisation."""
    pixels = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    padded = v2.functional.resize(v2.functional.pad(pixels, [4]), [32, 32], antialias=True)
    model = build_model(config(name, frame_pixels=4), 10).eval()
    assert count_parameters(model) == PARAMETERS[name]
    framed = next(model.children())(pixels / 127.5 - 1)
    torch.testing.assert_close((framed + 1) * 127.5, padded.float(), rtol=0, atol=1.01)
    assert model(pixels / 127.5 - 1).shape == (2, 10)


def test_dainet1_has_its_dropout_before_the_norm_or_after_the_pool():
    models = {last: build_model(config("dainet1", dropout_last=last), 10) for last in (False, True)}
    kinds = {last: [type(module).__name__ for module in model.children()] for last, model in models.items()}
    assert kinds[False][:5] == ["Conv2d", "Dropout", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert kinds[True][:5] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Dropout"]
    assert kinds[False][5:] == kinds[True][5:]


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


@pytest.mark.parametrize("name", MODELS)
def test_which_networks_take_images_of_any_size(name):
    model = build_model(config(name), 10).eval()
    refused = pytest.raises(RuntimeError, match=r"shapes cannot be multiplied|too small")
    with nullcontext() if takes_any_size(model) else refused:
        assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 10)


@pytest.mark.parametrize("name", MODELS)
def test_every_network_has_deterministic_gradients_on_a_gpu(name):
    """Of the layers that torch documents as refused there (`use_deterministic_algorithms`) no network has one.

    AdaptiveAvgPool2d is among them, but down to one pixel it is a mean.
    """
    refused = (nn.AdaptiveMaxPool2d, nn.FractionalMaxPool2d, nn.MaxUnpool2d, nn.ReflectionPad2d, nn.Upsample)
    layers = list(build_model(config(name), 10).modules())
    assert not [layer for layer in layers if type(layer) in refused]
    assert all(layer.output_size in (1, (1, 1)) for layer in layers if isinstance(layer, nn.AdaptiveAvgPool2d))


def test_an_option_that_a_model_lacks_is_an_error():
    with pytest.raises(InputError, match=r"model\.stem_max_pool: lenet has no such option; set it to null"):
        build_model(config("lenet", stem_max_pool=True), 10)


def test_the_default_model_is_the_improved_one():
    assert train_config().model.name == "resnet18_improved"
