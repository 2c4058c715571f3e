"""Tables for a terminal."""

from collections.abc import Collection, Sequence


def align(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """A line for each row, its cells padded to the widest of their column, two spaces between them.

    Args:
        rows: cells; all rows have the same number of them.
        right: columns that are set to the right, such as numbers with their last digits below each other.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    pads = [str.rjust if column in right else str.ljust for column in range(len(widths))]
    return "\n".join(
        "  ".join(pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)).rstrip() for row in rows
    )
