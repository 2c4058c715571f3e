import gzip
import json

from conftest import ROOT
from record import changed_keys


def test_changed_keys_are_dotted():
    default = {"lr": 0.1, "data": {"source": "sample", "path": None}}
    assert changed_keys(default, {"lr": 0.1, "data": {"source": "local", "path": None}, "new": 1}) == {
        "data.source": "local",
        "new": 1,
    }
    assert changed_keys(default, default) == {}


def test_every_committed_record_is_whole():
    records = sorted((ROOT / "benchmarks/results").glob("*/result.json"))
    for record in records:
        result = json.loads(record.read_text())
        assert result["name"] == record.parent.name
        assert result["commit"]
        assert 0 < result["validation"]["accuracy"] <= 1
        rows = gzip.decompress((record.parent / "submission.csv.gz").read_bytes()).decode().splitlines()
        assert rows[0] == "id,label"
        assert len(rows) == len({row.split(",")[0] for row in rows})
