"""From archives to arrays, side by side with the usual way: `python benchmarks/data_path.py`.

Builds a synthetic competition (or takes the one that an earlier call built), then measures on it, one after the other
in processes of their own: the stage `prepare`; the same with every image decoded by Pillow; `py7zr.extractall` and
Pillow; decompression alone. All arrays are compared. At last the submission is written and checked. Prints a table and
writes it as JSON, with device, versions and commit.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import synthetic_competition
from records import write_benchmark

from cifar10.core.config import PARAMS
from cifar10.core.tables import read_table
from cifar10.submission import write_submission

PEERS = Path(__file__).with_name("usual_data_path.py")
RESULT = Path("benchmarks/results/data_path.json")

Figures = dict[str, float]


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    synthetic_competition.add_options(parser)
    parser.add_argument("--folder", type=Path, default=Path("logs/data_path"), help="keeps the competition: 0.7 GB")
    parser.add_argument("--result", type=Path, default=RESULT, help=f"the JSON file ({RESULT})")
    options = parser.parse_args(arguments)
    num_train, num_test = options.images
    source = "photographs" if options.photographs else "digits"
    raw = options.folder.resolve() / f"{source}-{num_train}-{num_test}"
    if not raw.exists():
        synthetic_competition.build(raw, num_train, num_test, options.photographs)
    figures = {
        "name": "data_path",
        "images": {"train": num_train, "test": num_test, "source": source},
        **measure(raw, options.folder.resolve() / "work"),
    }
    print(table(write_benchmark(options.result, figures)))


def measure(raw: Path, work: Path) -> dict[str, Any]:
    """The figures of every row, and by how much `prepare` is quicker than the usual way."""
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("ours", "pillow", "usual", "temporary"):
        (work / folder).mkdir(parents=True)
    for folder in ("ours", "pillow"):
        shutil.copy(PARAMS, work / folder)
    try:
        stage = [sys.executable, "-m", "cifar10.stages.prepare", raw, "prepared", "data.json"]
        rows = {
            "prepare": run(stage, work / "ours", work / "temporary"),
            "pillow": run(
                [sys.executable, PEERS, "pillow", raw, "prepared", "data.json"], work / "pillow", work / "temporary"
            ),
            "usual": run([sys.executable, PEERS, "usual", raw, "."], work / "usual", work / "temporary"),
            "decompression alone": run([sys.executable, PEERS, "floor", raw], work, work / "temporary"),
            "submission": time_submission(raw, work / "submission.csv"),
        }
        assert not any((work / "temporary").iterdir())
        for ours, usual in (("labelled_images", "train"), ("test_images", "test")):
            pixels = np.load(work / "ours/prepared" / f"{ours}.npy", mmap_mode="r")
            for path in (work / "pillow/prepared" / f"{ours}.npy", work / "usual" / f"{usual}.npy"):
                assert np.array_equal(pixels, np.load(path, mmap_mode="r")), f"{path}: other pixels"
    finally:
        shutil.rmtree(work)
    return {"rows": rows, "times_faster_than_usual": round(rows["usual"]["seconds"] / rows["prepare"]["seconds"], 2)}


def run(command: list[Any], folder: Path, temporary: Path) -> Figures:
    """Wall and processor seconds and peak memory of a process (with its children) that must succeed."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "TMPDIR": str(temporary)}, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {
        "seconds": round(seconds, 2),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_memory_gb": round(usage.ru_maxrss * 1024 / 1e9, 3),  # Linux counts in kibibytes
    }


def time_submission(raw: Path, path: Path) -> Figures:
    """Seconds to write a label for every id of the sample, the check against the sample included."""
    classes = sorted(set(read_table(raw / "trainLabels.csv")["label"]))
    sample = raw / "sampleSubmission.csv"
    labels = {number: classes[number % len(classes)] for number in read_table(sample)["id"].tolist()}
    began, began_processor = time.perf_counter(), time.process_time()
    write_submission(path, labels, sample, classes)
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "processor_seconds": round(time.process_time() - began_processor, 2),
    }


def table(result: dict[str, Any]) -> str:
    """The figures as lines for people."""
    names = {
        "prepare": "prepare: decoded, split, described; no temporary file",
        "pillow": "the same, every image decoded by Pillow",
        "usual": "py7zr.extractall, then Pillow file by file",
        "decompression alone": "decompression alone, one thread",
        "submission": "submission written and checked",
    }
    images = result["images"]
    lines = [f"{images['train']:,} + {images['test']:,} {images['source']}, {result['device']}", ""]
    lines.append(f"{'':<55}{'wall s':>8}{'CPU s':>8}{'GB':>7}")
    for key, row in result["rows"].items():
        memory = f"{row['peak_memory_gb']:>7.2f}" if "peak_memory_gb" in row else ""
        lines.append(f"{names[key]:<55}{row['seconds']:>8.1f}{row['processor_seconds']:>8.1f}{memory}")
    return "\n".join([*lines, "", f"prepare is {result['times_faster_than_usual']:.1f} times as fast as the usual way"])


if __name__ == "__main__":
    main()
