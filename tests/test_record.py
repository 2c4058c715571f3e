import gzip
import json

from conftest import ROOT


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
