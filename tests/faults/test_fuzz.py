"""Damaged files through the real readers, in a process whose death would be seen; `tests/faults/fuzz.py` does more."""

import random

import fuzz
import pytest
from mutations import join_chunks, mutate_png, split_chunks
from test_png import LINES, png

COUNTS = {"png": 800, "csv": 600, "checkpoint": 500, "archive": 100}


@pytest.mark.parametrize("kind", COUNTS)
def test_no_damage_breaks_a_reader_or_passes_a_checksum(kind):
    outcomes = fuzz.fuzz(kind, COUNTS[kind])
    assert set(outcomes) == {fuzz.REFUSED, fuzz.ACCEPTED}, outcomes
    assert outcomes.total() == COUNTS[kind]
    assert outcomes[fuzz.REFUSED] > COUNTS[kind] / 3


def test_a_crash_is_seen_and_the_rest_goes_on(tmp_path, monkeypatch):
    """A child that dies at its third trial; the one after it does the fourth."""
    script = tmp_path / "dies.py"
    script.write_text(
        "import os, sys\n"
        "first, count = (int(sys.argv[sys.argv.index(name) + 1]) for name in ('--first', '--count'))\n"
        "for number in range(first, count):\n"
        "    os.abort() if number == 2 else print('refused', flush=True)\n"
    )
    monkeypatch.setattr(fuzz, "__file__", str(script))
    assert fuzz.fuzz("png", 4) == {"refused": 3, "crash (exit code -6) at png 0 2": 1}


def test_what_a_reader_gets_wrong_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "decode_images", lambda batch: fuzz.pillow_pixels(png(LINES))[:1])
    trial = fuzz.png_trial(tmp_path)
    found = {fuzz.outcome(trial, random.Random(seed)) for seed in range(60)}
    assert "a wrong checksum was passed over" in found
    assert "other pixels than Pillow's" in found


def test_chunks_come_back_as_they_were():
    data = png(LINES)
    assert join_chunks(split_chunks(data)) == data
    assert mutate_png(data, data, random.Random(1)) == mutate_png(data, data, random.Random(1))
