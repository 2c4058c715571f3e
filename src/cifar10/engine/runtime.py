"""On which devices, in which precision and memory order the arithmetic runs."""

import copy
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from cifar10.core.config import PARAMS, Config, InputError, load_config
from cifar10.engine.gpus import lock_gpu
from cifar10.engine.processes import join
from cifar10.engine.processor import computes_bfloat16, keep_freed_memory
from cifar10.engine.reproducibility import use_deterministic_kernels

# How torch's allocators and CUDA's libraries say it, where it is not an OutOfMemoryError.
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
# How torch begins to say that it would have to leave the deterministic kernels.
NOT_DETERMINISTIC = re.compile(r"(\w+) does not have a deterministic implementation")

# Whether a device multiplies bfloat16 numbers natively. There it is quicker for each network of `models` (on a
# processor by 1.1 to 2 times), so the precision goes by the device alone.
NATIVE_BFLOAT16: dict[str, Callable[[], bool]] = {
    "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
    "mps": lambda: False,  # torch's autocast there is young, and nobody has measured it here
    "cpu": computes_bfloat16,
}


class RuntimeConfig(Config):
    """The section `runtime`."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    """auto: CUDA where there is one, else Apple's MPS, else the CPU."""
    precision: Literal["auto", "float32", "bfloat16"]
    """auto: bfloat16 autocast on a GPU or processor that computes in it natively, else float32."""
    channels_last: bool
    """Keep images and weights in NHWC memory order, which convolutions are quicker in."""
    deterministic: bool
    """Only bit-reproducible kernels on a GPU; a CPU run with the same thread count is reproducible anyway."""
    compile: Literal["none", "default", "reduce-overhead", "max-autotune"]
    """torch.compile and its mode; reduce-overhead and max-autotune use CUDA graphs. none: off."""
    checkpoint_minutes: Annotated[float, Field(ge=0)]
    """Minutes of training between two states to go on from after a crash. 0: only when asked to stop."""
    num_processes: Annotated[int, Field(ge=1, le=1024)]
    """Processes on this machine that share each batch, one for each GPU. 1: a single process."""
    tensorboard: bool
    """Whether training writes to `runs/` what TensorBoard shows; the result is the same to the bit."""


class Runtime:
    """A `RuntimeConfig` resolved on this machine."""

    def __init__(self, config: RuntimeConfig) -> None:
        """Raises InputError where the device asked for is not there."""
        self.device = _resolve_device(config.device)
        self.world = join(self.device.type)
        if self.device.type == "cuda":
            index = int(os.environ["LOCAL_RANK"]) if self.world.size > 1 else lock_gpu()
            self.device = torch.device("cuda", index)
            torch.cuda.set_device(self.device)
        else:
            keep_freed_memory()
        self.compile = config.compile
        # On Apple's MPS, batch norm in that order is wrong in some versions of torch (pytorch issue 175189).
        nhwc = config.channels_last and self.device.type != "mps"
        self.memory_format = torch.channels_last if nhwc else torch.contiguous_format
        self.native_bfloat16 = NATIVE_BFLOAT16[self.device.type]()
        best = "bfloat16" if self.native_bfloat16 else "float32"
        self.precision = best if config.precision == "auto" else config.precision
        if config.deterministic:
            use_deterministic_kernels()
        elif self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # shapes never change: let cuDNN time its kernels once

    def to_device(self, model: nn.Module) -> nn.Module:
        """Move a model to the device in the chosen memory order."""
        return model.to(device=self.device, memory_format=self.memory_format)  # pyright: ignore[reportCallIssue]

    def parallel(self, model: nn.Module) -> nn.Module:
        """The placed model with its gradients averaged over all processes; itself where there is one."""
        if self.world.size == 1:
            return model
        return DistributedDataParallel(model, device_ids=[self.device] if self.device.type == "cuda" else None)

    def compiled(self, model: nn.Module) -> nn.Module:
        """The model compiled for batches of one shape, or itself.

        Raises:
            InputError: torch.compile cannot build its code here, as without a C++ compiler.
        """
        if self.compile == "none":
            return model
        try:
            torch.compile(torch.neg)(torch.ones(2, device=self.device))  # its compiler is only asked for when code runs
        except Exception as error:  # whatever its backends raise: there is no public class for it
            reason = str(error).partition("\n")[0]
            advice = "install g++ (or name another compiler in CXX), or use none"
            raise InputError(f"{PARAMS}: runtime.compile: nothing can be compiled here ({reason}); {advice}") from None
        return torch.compile(model, dynamic=False, mode=self.compile)  # pyright: ignore[reportReturnType]

    def in_precision(self, precision: str) -> "Runtime":
        """The same device in another precision."""
        other = copy.copy(self)
        other.precision = precision
        return other

    def autocast(self) -> torch.autocast:
        """Within it, convolutions and matrix products run in the chosen precision."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    @contextmanager
    def explain_failures(self, key: str, batch_size: int, smallest: int) -> Iterator[None]:
        """Within it, running out of memory is one line that names the batch size and what to try.

        So is an operation that has no deterministic kernel where the section asks for them.

        Args:
            key: the batch size in params.yaml.
            batch_size: its value in use.
            smallest: the lowest that the key takes.

        Raises:
            InputError: in place of torch's error.
        """
        try:
            yield
        except RuntimeError as error:
            if match := NOT_DETERMINISTIC.match(str(error)):
                reason = f"torch has no deterministic {match[1]} here; use false, or another model.name"
                raise InputError(f"{PARAMS}: runtime.deterministic: {reason}") from None
            if not isinstance(error, torch.OutOfMemoryError) and not any(text in str(error) for text in OUT_OF_MEMORY):
                raise
            memory = "memory" if self.device.type == "cpu" else "GPU memory"
            ways = [f"{key} {batch_size // 2}"] if batch_size // 2 >= smallest else []
            ways += ["runtime.precision bfloat16"] if self.native_bfloat16 and self.precision == "float32" else []
            ways += ["another model.name"]
            raise InputError(f"out of {memory} with {key} {batch_size}; try {', or '.join(ways)}") from None

    def __str__(self) -> str:
        name = torch.cuda.get_device_name() if self.device.type == "cuda" else self.device.type
        number = torch.get_num_threads()
        threads = f", {number} thread{'s' if number > 1 else ''}" if self.device.type == "cpu" else ""
        processes = f"{self.world.size} processes on " if self.world.size > 1 else ""
        return f"{processes}{name}{threads}, {self.precision}"


def num_processes() -> int:
    """How many processes params.yaml asks for."""
    return load_config(RuntimeConfig, section="runtime").num_processes


def _resolve_device(name: str) -> torch.device:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    if not available[name]:
        there = ", ".join(device for device, is_there in available.items() if is_there)
        raise InputError(f"{PARAMS}: runtime.device: no {name} device here; use auto or one of: {there}")
    return torch.device(name)
