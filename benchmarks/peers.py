"""airbench (https://github.com/KellerJordan/cifar10-airbench, `pip install airbench`) on our files and on any device.

The package trains on a GPU in half precision and fetches CIFAR-10 itself. Here it finds our images in the files that it
looks for. On a processor its calls for a GPU do nothing, and it gets what our own networks have there: bfloat16 by
autocast where that is native (float32 otherwise), and memory that is kept.
"""

import contextlib
import functools
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from cifar10.core.config import InputError
from cifar10.data.dataset import ImageSet
from cifar10.engine.reproducibility import seed_globals
from cifar10.engine.runtime import Runtime, RuntimeConfig
from cifar10.models.summary import summarize_model

WARM_UP_STEPS = 8

# name -> what its functions end in
PEERS = {"airbench94": "94", "airbench96": "96"}


def train_peer(
    name: str, train: ImageSet, test: ImageSet, seed: int, epochs: float | None, warm_up: bool, config: RuntimeConfig
) -> dict[str, Any]:
    """Train a peer by its own recipe (or for `epochs`), and judge it with its own six views.

    Args:
        name: a key of PEERS.
        train: what it learns from.
        test: what it is judged on.
        seed: of torch's generators.
        epochs: instead of its own number.
        warm_up: whether some steps run before, off the clock.
        config: whose precision it has on a processor; on a GPU it has its own.

    Returns:
        `accuracy` (0..1), `train_seconds`, `predict_seconds`, `epochs`, `train_flops`.
    """
    try:
        library = import_module(f"airbench.lib_{name}")
        tools = import_module("airbench.utils")
    except ImportError:
        raise InputError(f"{name}: not installed; run `pip install --no-deps airbench==0.1.8`") from None
    settings = library.hyp
    full: float = epochs or settings["opt"]["train_epochs"]
    batch_size = min(settings["opt"]["batch_size"], len(train))
    with _at_home(tools, library, train, test, config):

        def once(epochs: float) -> tuple[nn.Module, float]:
            seed_globals(seed)
            loader = tools.CifarLoader("cifar10", batch_size=batch_size, aug=settings["aug"], altflip=True)
            started = _now()
            fit = getattr(library, f"train{PEERS[name]}")
            model = fit(loader, epochs=epochs, verbose=False)
            return model, _now() - started

        if warm_up:
            once(WARM_UP_STEPS / (len(train) // batch_size or 1))
        model, train_seconds = once(full)
        started = _now()
        judge = tools.CifarLoader("cifar10", train=False, batch_size=2000)
        accuracy = tools.evaluate(model, judge, settings["net"]["tta_level"])
        predict_seconds = _now() - started
        images = batch_size * math.ceil(len(train) // batch_size * full)
        flops = summarize_model(model.float()).training_flops * images
    return {
        "accuracy": accuracy,
        "train_seconds": train_seconds,
        "predict_seconds": predict_seconds,
        "epochs": full,
        "train_flops": flops,
    }


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


@contextlib.contextmanager
def _at_home(
    tools: ModuleType, library: ModuleType, train: ImageSet, test: ImageSet, config: RuntimeConfig
) -> Iterator[None]:
    """Within it, the current folder holds the files that the package reads, and its device is ours."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "cifar10").mkdir()
        for part, images in (("train", train), ("test", test)):
            pixels = torch.tensor(images.images).permute(0, 2, 3, 1).contiguous()
            content = {"images": pixels, "labels": torch.tensor(images.labels), "classes": []}
            torch.save(content, folder / f"cifar10/{part}.pt")
        stack.enter_context(contextlib.chdir(folder))
        if not torch.cuda.is_available():
            runtime = Runtime(config.model_copy(update={"device": "cpu", "deterministic": False}))
            half = (nn.Module, "half", lambda network: in_precision_of(runtime, network))
            for target, attribute, value in (half, *_ON_A_PROCESSOR):
                stack.enter_context(patch.object(target, attribute, value))
            loader = functools.partial(tools.CifarLoader, gpu="cpu")
            for module in (tools, library):
                stack.enter_context(patch.object(module, "CifarLoader", loader))
        yield


def in_precision_of(runtime: Runtime, network: nn.Module) -> nn.Module:
    """What `half` does to a network on a processor: products in the precision of `runtime`, the rest in float32."""
    forward = runtime.autocast()(network.forward)
    network.forward = lambda images: forward(images).float()
    return network.float()


class _Clock:
    """What the package asks of a CUDA event."""

    def __init__(self, enable_timing: bool) -> None:
        self.seconds = 0.0

    def record(self) -> None:
        self.seconds = time.perf_counter()

    def elapsed_time(self, end: "_Clock") -> float:
        return 1e3 * (end.seconds - self.seconds)


_ON_A_PROCESSOR: list[tuple[Any, str, Any]] = [
    (torch.Tensor, "half", torch.Tensor.float),
    (nn.Module, "cuda", lambda module: module),
    (torch.cuda, "Event", _Clock),
    (torch.cuda, "synchronize", lambda: None),
]
