"""Types of arguments that several commands take."""

import argparse
from collections.abc import Callable


def whole_number(least: int = 0) -> Callable[[str], int]:
    """A parser for argparse: a whole number from `least` on, in decimal digits alone."""
    expected = f"a whole number above {least - 1}" if least else "a whole number"

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected {expected}, not {text!r}")
        return int(text)

    return parse
