"""A tiny competition in every form that a test needs: 3 classes told apart by colour, 32x32 pixels, noise added."""

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from cifar10.app.experiments.recipes import with_overrides
from cifar10.competition.layout import write_competition
from cifar10.core.config import read_params
from cifar10.data.dataset import PreparedData, load_prepared
from cifar10.images.codec import encode_png
from cifar10.training.trainer import TrainConfig

os.environ["DVC_NO_ANALYTICS"] = "1"  # else each dvc command starts a second process, which reports to its makers
# torch finds code that it compiled before by a key that leaves out what ATEN_CPU_CAPABILITY asks for: half of a network
# for AVX-512 and half for AVX2 end with "index out of bounds".
compiled_for = f"torchinductor-{os.getuid()}-{torch.backends.cpu.get_cpu_capability()}"
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(tempfile.gettempdir()) / compiled_for))

ROOT = Path(__file__).parents[1]
CLASSES = ("blue", "green", "red")
NUM_TRAIN, NUM_TEST = 48, 12


def pytest_collection_finish() -> None:
    """What the libraries made stays: reading an archive's header collects garbage, but not among all of that."""
    gc.freeze()


def tiny_image(number: int, label: int) -> np.ndarray:
    """UInt8 [3 32 32]: one channel bright, the others dark."""
    image = np.random.default_rng(number).integers(0, 80, (3, 32, 32), dtype=np.uint8)
    image[2 - label] += 150
    return image


def tiny_members(part: str, count: int, first: int = 0) -> list[tuple[str, bytes]]:
    return [(f"{part}/{i}.png", encode_png(tiny_image(first + i, i % 3))) for i in range(1, count + 1)]


def write_tiny(out: Path, **changes: Any) -> Path:
    """Write the competition's five files into `out`; `changes` replace arguments of `write_competition`."""
    out.mkdir(parents=True, exist_ok=True)
    arguments: dict[str, Any] = {
        "train": tiny_members("train", NUM_TRAIN),
        "train_labels": {i: CLASSES[i % 3] for i in range(1, NUM_TRAIN + 1)},
        "test": tiny_members("test", NUM_TEST, first=1000),
        "test_ids": range(1, NUM_TEST + 1),
        "test_labels": {i: CLASSES[i % 3] for i in range(1, NUM_TEST + 1)},
    }
    write_competition(out, **{**arguments, **changes})
    return out


def read_default_params() -> dict[str, Any]:
    return read_params(ROOT / "params.yaml")


def write_params(path: Path, overrides: dict[str, Any]) -> None:
    """params.yaml with dotted keys replaced."""
    YAML().dump(with_overrides(read_default_params(), overrides), path)


def train_config(**overrides: Any) -> TrainConfig:
    """The default recipe, made small and float32 on any machine, with dotted keys (`__` for the dot) replaced."""
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    small = {"batch_size": 12, "epochs": 1, "runtime.precision": "float32"}
    params = with_overrides(read_default_params(), {**small, **dotted})
    return TrainConfig.model_validate({key: params[key] for key in TrainConfig.model_fields})


@pytest.fixture(scope="session")
def tiny_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five files of the tiny competition. Read only."""
    return write_tiny(tmp_path_factory.mktemp("tiny") / "raw")


@pytest.fixture(scope="session")
def tiny_prepared(tiny_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `prepare` makes of it with the default parameters. Read only."""
    from cifar10.stages import prepare

    folder = tmp_path_factory.mktemp("prepared")
    shutil.copy(ROOT / "params.yaml", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare.main(tiny_raw, folder / "prepared", folder / "data.json")
    return folder / "prepared"


@pytest.fixture(scope="session")
def tiny_data(tiny_prepared: Path) -> PreparedData:
    return load_prepared(tiny_prepared)
