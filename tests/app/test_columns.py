import pytest

from cifar10.app.columns import align


def test_columns_are_as_wide_as_their_widest_cell():
    rows = [("run", "accuracy", "lr"), ("the first", "0.5", "")]
    assert align(rows).splitlines() == ["run        accuracy  lr", "the first  0.5"]


def test_numbers_are_set_to_the_right():
    assert align([("layer", "n"), ("a", "1,000"), ("b", "7")], right=[1]).splitlines() == [
        "layer      n",
        "a      1,000",
        "b          7",
    ]


def test_no_rows_are_no_lines():
    assert align([]) == ""


def test_rows_of_different_lengths_are_a_mistake():
    with pytest.raises(ValueError, match="zip"):
        align([("a", "b"), ("c",)])
