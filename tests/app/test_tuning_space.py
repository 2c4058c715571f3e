import pytest
from conftest import read_default_params

from cifar10.app.tuning.space import Choices, Range, parse_space, point_of, rounded
from cifar10.core.config import InputError

RECIPE = read_default_params()


def test_ranges_and_choices():
    texts = [
        "lr=3e-3..0.3:log",
        "batch_size=16..128",
        "optimizer.momentum=0..0.99",
        "augment.cutout_size_pixels=0,8,12",
        "augment.horizontal_flip=false,true",
        "model.stem_max_pool=null,true",
    ]
    assert parse_space(texts, RECIPE) == {
        "lr": Range(0.003, 0.3, log=True, whole=False),
        "batch_size": Range(16, 128, log=False, whole=True),
        "optimizer.momentum": Range(0.0, 0.99, log=False, whole=False),
        "augment.cutout_size_pixels": Choices((0, 8, 12)),
        "augment.horizontal_flip": Choices((False, True)),
        "model.stem_max_pool": Choices((None, True)),
    }


def test_whole_ends_of_a_key_that_takes_fractions_are_fractions():
    space = parse_space(["augment.affine_degrees=0..15"], RECIPE)
    assert space == {"augment.affine_degrees": Range(0.0, 15.0, log=False, whole=False)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr", "lr: expected KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A,B,C"),
        ("lr=", "lr=: expected KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A,B,C"),
        ("lr=0.1", "lr=0.1: expected two or more different values"),
        ("lr=0.1,0.1", "lr=0.1,0.1: expected two or more different values"),
        ("lr=0.1..", "lr=0.1..: '' is no list of values"),
        ("lr=[0.1,", "lr=[0.1,: '[0.1,' is no list of values"),
        ("lr=0.1..0.01", "lr=0.1..0.01: 0.1 is not below 0.01"),
        ("lr=a..b", "lr=a..b: the ends of a range are numbers"),
        ("lr=0.1..1:ln", "lr=0.1..1:ln: after the colon only log is known"),
        ("optimizer.momentum=0..0.9:log", "optimizer.momentum=0..0.9:log: a logarithmic range begins above 0"),
        (
            "optimizer.betas=[0.9, 0.99],[0.8, 0.9]",
            "optimizer.betas=.*: a choice is a number, a word, true, false or null",
        ),
        ("learning_rate=0.1..1", "learning_rate: params.yaml has no such key"),
        ("lr=-1..1", "lr=-1..1: lr: input should be greater than 0, not -1.0"),
        ("batch_size=0.5..64", "batch_size=0.5..64: batch_size: input should be a valid integer"),
        (
            "augment.cutout_size_pixels=0,big",
            "augment.cutout_size_pixels=0,big: augment.cutout_size_pixels: input should",
        ),
        ("model.name=lenet,lenet9", "model.name=lenet,lenet9: model.name: choose one of lenet, "),
        ("predict.tta=none,twice", "predict.tta=none,twice: predict.tta: "),
        ("seed=0,1,2", "seed=0,1,2: runs that differ in seed, data, runtime cannot be compared by accuracy"),
        ("data.val_fraction=0.1,0.2", "data.val_fraction=0.1,0.2: runs that differ in "),
    ],
)
def test_what_is_no_space_is_one_line(text, message):
    with pytest.raises(InputError) as error:
        parse_space([text], RECIPE)
    head, _, tail = message.partition(".*")
    assert str(error.value).startswith(head)
    assert tail in str(error.value)
    assert "\n" not in str(error.value)


def test_a_key_is_searched_once():
    with pytest.raises(InputError, match=r"lr=0.1,0.2: lr is there twice"):
        parse_space(["lr=0.1..1", "lr=0.1,0.2"], RECIPE)


def test_the_recipes_own_point():
    space = parse_space(["lr=0.003..0.3:log", "augment.crop_padding_pixels=0,4"], RECIPE)
    assert point_of(RECIPE, space) == {"lr": 0.02, "augment.crop_padding_pixels": 4}
    assert point_of({**RECIPE, "lr": 0.5}, space) is None
    assert point_of(RECIPE, parse_space(["augment.crop_padding_pixels=0,2"], RECIPE)) is None


def test_numbers_have_four_digits():
    assert [rounded(value) for value in (0.0123456, 12345.6, 7, True, "flip", None)] == [
        *(0.01235, 12350.0, 7, True, "flip", None),
    ]
