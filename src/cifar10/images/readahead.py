"""An iterator that is worked off ahead of its reader, in a thread."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def read_ahead(items: Generator[T, None, None], limit: int) -> Iterator[Iterator[T]]:
    """Yield the same items in the same order, made in a background thread that starts at once.

    At most `limit` items wait to be taken. What making an item raises is raised when its turn comes. On leaving the
    block the thread ends with the item that it is making, and `items` is closed.
    """
    with closing(items), ThreadPoolExecutor(1) as thread:

        def make() -> list[T]:
            return list(islice(items, 1))

        waiting = deque(thread.submit(make) for _ in range(limit))

        def taken() -> Iterator[T]:
            while item := waiting.popleft().result():
                waiting.append(thread.submit(make))
                yield item[0]

        try:
            yield taken()
        finally:
            thread.shutdown(cancel_futures=True)
