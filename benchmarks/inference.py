"""Prediction speed: `python benchmarks/inference.py`. Prints a table and writes it as JSON."""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import write_benchmark
from train_speed import NOT_MEASURED

from cifar10.app.experiments.recipes import parse_settings, with_overrides
from cifar10.core.config import PARAMS, read_params
from cifar10.engine.inference import PredictConfig, predict_logits
from cifar10.engine.peak import peak_flops
from cifar10.engine.runtime import Runtime, RuntimeConfig
from cifar10.models.checkpoint import load_model
from cifar10.models.summary import summarize_model

RESULT = Path("benchmarks/results/inference.json")
COMPETITION_IMAGES = 300_000
WARM_UP_IMAGES = 2_560  # the first second of a process is slower: 491 images/s where it then makes 570

# name of a row -> keys of `predict` and `runtime`, and whether it needs a GPU
ROWS: dict[str, tuple[dict[str, Any], bool]] = {
    "one view": ({"predict.tta": "none"}, False),
    "image and mirror": ({"predict.tta": "flip"}, False),
    "six views": ({"predict.tta": "shift"}, False),
    "ten views": ({"predict.tta": "corners"}, False),
    "six views below 0.9": ({"predict.tta": "shift", "predict.tta_below_confidence": 0.9}, False),
    "six views, compiled": ({"predict.tta": "shift", "runtime.compile": "default"}, True),
}


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/model.pt"), help="what `dvc repro train` writes")
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"), help="its test images are labelled")
    parser.add_argument("--images", type=int, default=COMPETITION_IMAGES, help="how many, repeated as needed (300,000)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of params.yaml")
    parser.add_argument("--result", type=Path, default=RESULT, help=f"the JSON file ({RESULT})")
    options = parser.parse_args(arguments)
    stored = np.load(options.prepared / "test_images.npy", mmap_mode="r")
    images = stored[np.arange(options.images) % len(stored)]
    params = with_overrides(read_params(PARAMS), parse_settings(options.set))
    figures = {"name": "inference", "images": options.images, "rows": measure(options.model, images, params)}
    print(table(write_benchmark(options.result, figures)))


def measure(model_file: Path, images: np.ndarray, params: dict[str, Any]) -> dict[str, Any]:
    """Seconds, images per second and share of the device's arithmetic of every row."""
    rows: dict[str, Any] = {}
    for name, (changes, needs_gpu) in ROWS.items():
        if needs_gpu and not torch.cuda.is_available():
            rows[name] = NOT_MEASURED
            continue
        values = with_overrides(params, changes)
        runtime = Runtime(RuntimeConfig.model_validate(values["runtime"]))
        config = PredictConfig.model_validate(values["predict"])
        trained = load_model(model_file)
        flops = summarize_model(trained.model).forward_flops
        model = runtime.compiled(runtime.to_device(trained.model))
        predict_logits(model, images[:WARM_UP_IMAGES], trained.mean, trained.std, config, runtime)  # warms up
        started = time.perf_counter()
        predict_logits(model, images, trained.mean, trained.std, config, runtime)
        seconds = time.perf_counter() - started
        figures = {"seconds": round(seconds, 2), "images_per_second": round(len(images) / seconds, 1)}
        if config.tta == "none":
            figures["utilization"] = round(flops * len(images) / seconds / peak_flops(runtime), 3)
        rows[name] = figures
    return rows


def table(result: dict[str, Any]) -> str:
    """The figures as lines for people."""
    lines = [
        f"{result['images']:,} images, {result['device']}",
        "",
        f"{'':<24}{'seconds':>10}{'images/s':>12}{'of peak':>10}",
    ]
    for name, row in result["rows"].items():
        if row == NOT_MEASURED:
            lines.append(f"{name:<24}{row:>32}")
        else:
            share = f"{row['utilization']:.0%}" if "utilization" in row else ""
            lines.append(f"{name:<24}{row['seconds']:>10.1f}{row['images_per_second']:>12,.0f}{share:>10}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
