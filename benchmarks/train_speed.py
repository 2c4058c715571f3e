"""Training speed beside the usual way, in one run: `python benchmarks/train_speed.py`.

The usual way: a DataLoader over PNG files that Pillow opens, torchvision transforms image by image, float32, eager.
Both train the same network on the same images with the same augmentation. Prints a table and writes it as JSON.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from records import write_benchmark
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2
from tqdm import tqdm

from cifar10.app.experiments.recipes import find_experiment, load_experiments, parse_settings, with_overrides
from cifar10.core.config import PARAMS, read_params
from cifar10.data.dataset import PreparedData, load_prepared
from cifar10.engine.peak import peak_flops
from cifar10.engine.runtime import Runtime
from cifar10.images.codec import encode_png
from cifar10.models import build_model
from cifar10.models.summary import summarize_model
from cifar10.training.loop import step
from cifar10.training.trainer import TrainConfig, Trainer

RESULT = Path("benchmarks/results/train_speed.json")
NOT_MEASURED = "not measured"

# name of a row -> the runtime's keys, and whether it needs a GPU
ROWS: dict[str, tuple[dict[str, Any], bool]] = {
    "float32": ({"precision": "float32"}, False),
    "float32, deterministic": ({"precision": "float32", "deterministic": True}, True),
    "bfloat16": ({"precision": "bfloat16"}, False),
    "bfloat16, deterministic": ({"precision": "bfloat16", "deterministic": True}, True),
    "bfloat16, compiled": ({"precision": "bfloat16", "compile": "default"}, True),
    "bfloat16, compiled, CUDA graphs": ({"precision": "bfloat16", "compile": "reduce-overhead"}, True),
}


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="resnet18_improved_8_epochs", help="an entry of experiments.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the recipe")
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"), help="what `dvc repro prepare` writes")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each row, after three to warm up (20)")
    parser.add_argument("--result", type=Path, default=RESULT, help=f"the JSON file ({RESULT})")
    options = parser.parse_args(arguments)
    changed = parse_settings(options.set)
    recipe = find_experiment(options.recipe, load_experiments())
    params = with_overrides(read_params(PARAMS), {**recipe.overrides, **changed})
    config = TrainConfig.model_validate({key: params[key] for key in TrainConfig.model_fields})
    figures = {
        "name": "train_speed",
        "recipe": options.recipe,
        "changed": changed,
        "steps": options.steps,
        **measure(load_prepared(options.prepared), config, options.steps),
    }
    print(table(write_benchmark(options.result, figures)))


def measure(data: PreparedData, config: TrainConfig, steps: int) -> dict[str, Any]:
    """Images per second of every row and of the usual way, and the share of the device's arithmetic that each uses."""
    rows: dict[str, Any] = {}
    flops = summarize_model(build_model(config.model, len(data.classes))).training_flops
    for name, (changes, needs_gpu) in ROWS.items():
        runtime = config.runtime.model_copy(update=changes)
        slow = runtime.precision == "bfloat16" and not Runtime(runtime).native_bfloat16
        if slow or (needs_gpu and not torch.cuda.is_available()):
            rows[name] = NOT_MEASURED
            continue
        trainer = Trainer(data, config.model_copy(update={"runtime": runtime}))
        rate = images_per_second(ours(trainer, config), steps, config.batch_size)
        torch.use_deterministic_algorithms(False)
        rows[name] = _figures(rate, flops, peak_flops(trainer.runtime))
    runtime = Runtime(config.runtime.model_copy(update=ROWS["float32"][0]))
    with tempfile.TemporaryDirectory() as folder:
        rate = images_per_second(usual(data, config, runtime.device, Path(folder)), steps, config.batch_size)
        rows["the usual way"] = _figures(rate, flops, peak_flops(runtime))
    return {"rows": rows}


def _figures(rate: float, flops_per_image: int, peak_flops: float) -> dict[str, float]:
    used = rate * flops_per_image
    return {
        "images_per_second": round(rate, 1),
        "tflops": round(used / 1e12, 4),
        "peak_tflops": round(peak_flops / 1e12, 4),
        "utilization": round(used / peak_flops, 3),
    }


def images_per_second(step: Callable[[], None], steps: int, batch_size: int) -> float:
    """Full batches per second times their size, after three steps that warm up and compile."""
    for _ in range(3):
        step()
    _wait()
    started = time.perf_counter()
    for _ in tqdm(range(steps), disable=None):
        step()
    _wait()
    return steps * batch_size / (time.perf_counter() - started)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ours(trainer: Trainer, config: TrainConfig) -> Callable[[], None]:
    """One step of the project's training loop."""
    trainer.ddp_model.train()

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            for images, labels in trainer.loader.epoch(torch.Generator().manual_seed(0)):
                if len(images) == config.batch_size:
                    yield images, labels

    supply = batches()

    trainer.epoch = config.early_epochs  # images of full size

    def next_step() -> None:
        step(trainer, *next(supply), config.lr, 0)

    return next_step


def usual(data: PreparedData, config: TrainConfig, device: torch.device, folder: Path) -> Callable[[], None]:
    """One step of the usual loop, on PNG files written to `folder`; it waits for the loss, as the usual loop does."""
    train = dataclasses.replace(data, train_rows=data.train_rows[:20_000]).train
    for image, label, number in zip(train.images, train.labels, train.ids, strict=True):
        path = folder / data.classes[label] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_png(image))
    transforms = [v2.RandomCrop(32, padding=config.augment.crop_padding_pixels), v2.RandomHorizontalFlip()]
    normalize = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(data.mean, data.std)]
    dataset = ImageFolder(str(folder), v2.Compose([*transforms, *normalize]))
    workers = 2 if (os.cpu_count() or 1) <= 2 else 8
    loader = DataLoader(
        dataset, config.batch_size, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=True
    )
    model = build_model(config.model, len(data.classes)).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=config.lr, momentum=0.9, weight_decay=5e-4)

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from loader

    supply = batches()

    def step() -> None:
        images, labels = (part.to(device) for part in next(supply))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def table(result: dict[str, Any]) -> str:
    """The figures as lines for people."""
    lines = [f"{result['recipe']}, {result['device']}", "", f"{'':<34}{'images/s':>10}{'TFLOP/s':>10}{'of peak':>10}"]
    for name, row in result["rows"].items():
        if row == NOT_MEASURED:
            lines.append(f"{name:<34}{row:>30}")
        else:
            lines.append(
                f"{name:<34}{row['images_per_second']:>10,.0f}{row['tflops']:>10.3f}{row['utilization']:>10.0%}"
            )
    best = max(row["images_per_second"] for row in result["rows"].values() if row != NOT_MEASURED)
    times = best / result["rows"]["the usual way"]["images_per_second"]
    return "\n".join([*lines, "", f"the best row is {times:.2f} times as fast as the usual way"])


if __name__ == "__main__":
    main()
