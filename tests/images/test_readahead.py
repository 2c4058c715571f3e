import threading
from collections.abc import Generator

import pytest

from cifar10.images.readahead import read_ahead


def test_items_come_in_order_and_are_made_elsewhere():
    makers: set[int] = set()

    def numbers() -> Generator[int, None, None]:
        for number in range(100):
            makers.add(threading.get_ident())
            yield number

    with read_ahead(numbers(), limit=3) as items:
        assert list(items) == list(range(100))
    assert len(makers) == 1
    assert threading.get_ident() not in makers


def test_work_begins_at_once_and_stops_at_the_limit():
    reached, made = threading.Event(), 0

    def numbers() -> Generator[int, None, None]:
        nonlocal made
        while True:
            made += 1
            if made == 4:
                reached.set()
            yield made

    with read_ahead(numbers(), limit=4) as items:
        assert reached.wait(10)
        assert made == 4
        assert next(items) == 1
    assert made <= 5


def test_an_error_comes_in_its_place():
    def numbers() -> Generator[int, None, None]:
        yield 1
        yield 2
        raise ValueError("three")

    seen: list[int] = []
    with pytest.raises(ValueError, match="three"), read_ahead(numbers(), limit=10) as items:
        seen.extend(items)
    assert seen == [1, 2]
