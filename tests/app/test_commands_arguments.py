from argparse import ArgumentTypeError

import pytest

from cifar10.app.commands.arguments import whole_number


def test_numbers_from_the_least_on_are_taken():
    assert [whole_number()("0"), whole_number(20)("20"), whole_number(1)("300")] == [0, 20, 300]


@pytest.mark.parametrize(
    ("least", "text", "message"),
    [
        (0, "-1", "expected a whole number, not '-1'"),
        (0, "", "expected a whole number, not ''"),
        (0, "1.5", "expected a whole number, not '1.5'"),
        (1, "0", "expected a whole number above 0, not '0'"),
        (20, "19", "expected a whole number above 19, not '19'"),
    ],
)
def test_other_texts_are_told(least, text, message):
    with pytest.raises(ArgumentTypeError, match=f"^{message}$"):
        whole_number(least)(text)
