"""Label tables: `trainLabels.csv` and `solution.csv` as `prepare` reads them, the sample as `predict` does."""

import os
from functools import partial
from pathlib import Path

from bad_inputs.case import Case, cut, edit, to_folder, write
from cifar10.core.tables import MAX_BYTES

LABELS, SOLUTION, SAMPLE = (f"data/raw/{name}.csv" for name in ("trainLabels", "solution", "sampleSubmission"))


def rewrite(path: str, old: str, new: str) -> None:
    """Replace every `old` in a text file."""
    text = Path(path).read_bytes().decode()
    assert old in text
    Path(path).write_bytes(text.replace(old, new).encode())


def encode(path: str, encoding: str) -> None:
    Path(path).write_bytes(Path(path).read_bytes().decode().encode(encoding))


def double(path: str) -> None:
    Path(path).write_bytes(2 * Path(path).read_bytes())


HTML = "<!DOCTYPE html>\n<html><body><form>Sign in to Kaggle</form></body></html>\n"
CONFLICT = "<<<<<<< HEAD\r\n8,red\r\n=======\r\n8,green\r\n>>>>>>> other\r\n"

# name -> what is done to trainLabels.csv, and what is named of it
BAD_LABELS = {
    "missing": (lambda path: Path(path).unlink(), "not found"),
    "a folder": (to_folder, "directory"),
    "empty": (partial(write, content=""), "empty"),
    "header alone": (partial(write, content="id,label\r\n"), "no rows"),
    "no header": (partial(edit, old="id,label\r\n", new=""), "line 1"),
    "header twice": (double, "line 50: id 'id'"),
    "other header": (partial(edit, old="id,label", new="image,class"), "image,class"),
    "columns swapped": (partial(edit, old="id,label", new="label,id"), "label,id"),
    "columns shifted": (partial(rewrite, old="\r\n", new="\r\n0,"), "line 2"),
    "index column": (partial(edit, old="1,green", new="0,1,green"), "line 2"),
    "login page": (partial(write, content=HTML), "line 1"),
    "semicolons": (partial(rewrite, old=",", new=";"), "line 1"),
    "tabs": (partial(rewrite, old=",", new="\t"), "line 1"),
    "CR alone": (partial(rewrite, old="\r\n", new="\r"), "line 1"),
    "one CR alone": (partial(edit, old="8,red\r\n", new="8,red\r"), "line 9"),
    "UTF-16": (partial(encode, encoding="utf-16"), "byte 0"),
    "not UTF-8": (lambda path: Path(path).write_bytes(b"id,label\r\n1,\xe9t\xe9\r\n"), "byte 12"),
    "two byte-order marks": (partial(edit, old="id,label", new="\ufeff\ufeffid,label"), "line 1"),
    "NUL in a label": (partial(edit, old="8,red", new="8,r\0d"), "id 8"),
    "NUL in an id": (partial(edit, old="8,red", new="8\0,red"), "line 9"),
    "id of 1e3": (partial(edit, old="8,red", new="1e3,red"), "'1e3'"),
    "id of 8.0": (partial(edit, old="8,red", new="8.0,red"), "'8.0'"),
    "id of 08": (partial(edit, old="8,red", new="08,red"), "'08'"),
    "id of -8": (partial(edit, old="8,red", new="-8,red"), "'-8'"),
    "id of 20 digits": (partial(edit, old="8,red", new="9" * 20 + ",red"), "line 9"),
    "id in other digits": (partial(edit, old="8,red", new="\u0668,red"), "line 9"),
    "no id": (partial(edit, old="8,red", new=",red"), "line 9"),
    "id twice": (partial(edit, old="8,red", new="7,red"), "id 7"),
    "id of no image": (partial(edit, old="8,red", new="80,red"), "image 8"),
    "id missing": (partial(edit, old="8,red\r\n", new=""), "image 8"),
    "no label": (partial(edit, old="8,red", new="8,"), "id 8"),
    "padded label": (partial(edit, old="8,red", new="8, red"), "id 8"),
    "NA label": (partial(edit, old="8,red", new="8,NA"), "id 8"),
    "label of a kilobyte": (partial(edit, old="8,red", new="8," + "r" * 1000), "id 8"),
    "cut in a label": (lambda path: Path(path).write_bytes(Path(path).read_bytes()[:-4]), "id 48"),
    "cut in a row": (lambda path: Path(path).write_bytes(Path(path).read_bytes()[:-7]), "line 49"),
    "half": (partial(cut, share=0.5), ""),
    "empty line": (partial(edit, old="8,red\r\n", new="8,red\r\n\r\n"), "line 10"),
    "open quote": (partial(edit, old="8,red", new='8,"red'), "line"),
    "merge conflict": (partial(edit, old="8,red\r\n", new=CONFLICT), "line 9"),
    "one class": (
        lambda path: [edit(path, f",{name}", ",red") for name in ("green", "blue") for _ in range(16)],
        "red",
    ),
    "larger than memory": (lambda path: os.truncate(path, MAX_BYTES + 1), "larger"),
}
BAD_SOLUTION = {
    "missing": (lambda path: Path(path).unlink(), "not found"),
    "unknown class": (partial(edit, old="3,blue", new="3,mauve"), "'mauve'"),
    "id of no image": (partial(edit, old="3,blue", new="33,blue"), "id 33"),
    "header twice": (double, "line 14"),
}
BAD_SAMPLE = {
    "missing": (lambda path: Path(path).unlink(), "not found"),
    "id of no image": (partial(edit, old="3,blue", new="33,blue"), "id 33"),
    "id twice": (partial(edit, old="3,blue", new="2,blue"), "id 2"),
    "login page": (partial(write, content=HTML), "line 1"),
}

CASES = {
    f"{Path(path).stem}: {name}": Case(command, partial(spoil, path), (path, item))
    for command, path, bad in (
        ("prepare", LABELS, BAD_LABELS),
        ("prepare", SOLUTION, BAD_SOLUTION),
        ("predict", SAMPLE, BAD_SAMPLE),
    )
    for name, (spoil, item) in bad.items()
}
