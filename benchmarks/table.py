"""Write the table of all experiments into the README, from the committed records: `make table`."""

from pathlib import Path

from records import RESULTS, read_records, table

from cifar10.app.experiments.recipes import load_experiments
from cifar10.core.files import atomic_write

README = Path("README.md")
BEGIN, END = "<!-- table of experiments: made by `make table` -->\n", "<!-- end of table -->\n"


def with_table(text: str, content: str) -> str:
    """`text` with what stands between the two markers replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert rest, "the README has lost its markers"
    return before + BEGIN + content + END + after


def main() -> None:
    """Bring README.md up to date."""
    content = table(load_experiments(), read_records(RESULTS))
    atomic_write(README, with_table(README.read_text(encoding="utf-8"), content))


if __name__ == "__main__":
    main()
