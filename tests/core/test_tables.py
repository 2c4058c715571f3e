from pathlib import Path

import pandas as pd
import pytest

from cifar10.core.config import InputError
from cifar10.core.tables import read_table, write_csv

GOOD = [(1, "frog"), (2, "truck"), (10, "cat")]


@pytest.mark.parametrize(
    "text",
    [
        "id,label\n1,frog\n2,truck\n10,cat\n",
        "id,label\r\n1,frog\r\n2,truck\r\n10,cat\r\n",
        "id,label\n1,frog\n2,truck\n10,cat",
        "\ufeffid,label\r\n1,frog\r\n2,truck\r\n10,cat\r\n",
        '"id","label"\n"1","frog"\n"2","truck"\n"10","cat"\n',
    ],
    ids=["lf", "crlf", "no-end", "bom", "quoted"],
)
def test_equal_tables_read_equal(tmp_path: Path, text):
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode())
    table = read_table(path)
    assert list(table.itertuples(index=False, name=None)) == GOOD
    assert table["id"].dtype == "int64"


def test_a_header_alone_is_an_empty_table(tmp_path: Path):
    path = tmp_path / "solution.csv"
    path.write_text("id,label\r\n")
    assert len(read_table(path)) == 0


def test_words_that_pandas_takes_for_missing_stay_words(tmp_path: Path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n1,NA\n2,null\n3,None\n")
    assert read_table(path)["label"].tolist() == ["NA", "null", "None"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"\r\n\r\n", "the file is empty"),
        (b"\xff\xfe1", "not UTF-8 text (byte 0)"),
        (b"<!doctype html><html>", "line 1: expected the header id,label, found '<!doctype html><html>'"),
        (b"label,id\nfrog,1\n", "line 1: expected the header id,label"),
        (b"1,frog\n2,truck\n", "line 1: expected the header id,label"),
        (b"id,label\n1,frog\nid,label\n", "line 3: id 'id' is not a whole number"),
        (b"id,label\n1e3,frog\n", "line 2: id '1e3' is not a whole number"),
        (b"id,label\n1.0,frog\n", "line 2: id '1.0' is not a whole number"),
        (b"id,label\n01,frog\n", "line 2: id '01' is not a whole number"),
        (b"id,label\n-1,frog\n", "line 2: id '-1' is not a whole number"),
        (b"id,label\n,frog\n", "line 2: id '' is not a whole number"),
        (b"id,label\n1,frog\n2\n", "line 3: expected 2 fields (id,label), found 1"),
        (b"id,label\n1,frog\n\n2,cat\n", "line 3: expected 2 fields (id,label), found 0"),
        (b"id,label\n0,1,frog\n", "line 2: expected 2 fields (id,label), found 3"),
        (b"id,label\n1,\n", "line 2: the label '' of id 1 is empty or padded with spaces"),
        (b"id,label\n1, frog\n", "line 2: the label ' frog' of id 1 is empty or padded with spaces"),
        (
            b"id,label\n1,<b>\n2,</script><script>x\n",
            "line 3: the label '</script><script>x' of id 2 is too long, cannot",
        ),
        (b"id,label\n1,frog\n2,cat\n1,frog\n", "line 4: id 1 is there twice (first in line 2)"),
        (b'id,label\n1,"frog\n', "line 2: unexpected end of data"),
        (b'id,label\n1,\n2,"frog\n', "line 2: the label '' of id 1 is empty"),
        (b'id,label\n"1\n2",frog\n', "line 3: id '1\\n2' is not a whole number"),
        ("id,label\n\u0663,frog\n".encode(), "line 2: id '\u0663' is not a whole number"),
        (b"id,label\n1" + b"0" * 18 + b",frog\n", "line 2: id '1000000000000000000' is not a whole number"),
        (b"id,label\n1" + b"0" * 5000 + b",frog\n", "line 2: id '1000000000"),
        (b"id;label\n1;frog\n", "line 1: expected the header id,label, found 'id;label'"),
    ],
)
def test_a_damaged_table_is_one_line_with_its_place(tmp_path: Path, content, expected):
    path = tmp_path / "trainLabels.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_table(path)
    assert str(error.value).startswith(f"{path}: {expected}")
    assert "\n" not in str(error.value)


def test_a_missing_table_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none\.csv: not found"):
        read_table(tmp_path / "none.csv")


def test_written_tables_are_exact(tmp_path: Path):
    path = tmp_path / "t.csv"
    write_csv(path, pd.DataFrame({"id": [1], "x": [0.1]}), line_end="\r\n")
    assert path.read_bytes() == b"id,x\r\n1,0.1\r\n"
