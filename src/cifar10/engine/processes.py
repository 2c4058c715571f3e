"""Several processes, one for each device, on torch's own engines: torchrun starts and torch.distributed joins them."""

import logging
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from cifar10.core.config import PARAMS, USER_ERRORS, InputError, format_error

ERRORS = "CIFAR10_ERRORS"  # the folder where each process leaves the line for the one that started it to tell


@dataclass(frozen=True)
class World:
    """The processes that work on one run; alone, every method is the identity."""

    rank: int = 0  # 0 .. size - 1
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a batch that all have: contiguous, the first parts one longer where it is uneven."""
        return batch if self.size == 1 else batch.tensor_split(self.size)[self.rank]

    def sum(self, values: Float[Tensor, " values"]) -> Float[Tensor, " values"]:
        """The sum over all processes, on each of them."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite them with those of the first process."""
        for tensor in tensors if self.size > 1 else ():
            dist.broadcast(tensor, src=0)

    def gather(self, parts: Float[Tensor, "part columns"], total: int) -> Float[Tensor, "total columns"]:
        """The `share`s of a table with `total` rows, put together again on each process."""
        if self.size == 1:
            return parts
        longest = -(-total // self.size)
        padded = torch.cat([parts, parts.new_zeros(longest - len(parts), parts.shape[1])])
        gathered = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(gathered, padded)
        lengths = [len(rows) for rows in torch.arange(total).tensor_split(self.size)]
        return torch.cat([table[:length] for table, length in zip(gathered, lengths, strict=True)])


def join(device_type: str) -> World:
    """The world that torchrun put this process into (NCCL between GPUs, gloo between CPUs), or a world of one."""
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    return current_world()


def current_world() -> World:
    """The world that was joined before, or a world of one."""
    return World(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else World()


def in_processes(main: Callable[..., None], num_processes: Callable[[], int]) -> Callable[..., None]:
    """A stage that starts itself `num_processes()` times under torchrun where more than one process is asked for.

    Under torchrun already (`torchrun --nnodes 2 ... -m cifar10.stages.train ...` on several hosts), it just runs. What
    a person can mend is mostly the same in every process, and where one fails the others lose their connection or are
    told to end: of all that they have to say, the one that started them tells what was said first.
    """

    def start(*paths: Path) -> None:
        if "RANK" not in os.environ and (count := num_processes()) > 1:
            with tempfile.TemporaryDirectory() as errors:
                os.environ[ERRORS] = errors
                return _torchrun(count, [str(path) for path in paths], Path(errors))
        try:
            with _explain_lost_connection():
                main(*paths)
        except USER_ERRORS as error:
            if ERRORS not in os.environ:
                raise
            Path(os.environ[ERRORS], os.environ["RANK"]).write_text(format_error(error), encoding="utf-8")
            sys.exit(1)
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()

    return start


@contextmanager
def _explain_lost_connection() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        reason = str(error).partition("\n")[0]
        raise InputError(f"another process has ended or cannot be reached: {reason}") from None


def is_lost_connection(error: RuntimeError) -> bool:
    """Whether a collective operation failed since another process has ended; gloo has no type of its own for that."""
    return isinstance(error, dist.DistError) or "by peer" in str(error)


def _torchrun(count: int, arguments: list[str], errors: Path) -> None:
    """What `torchrun --standalone --nproc-per-node COUNT -m MODULE ARGUMENTS` does, without its report of a failure."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if torch.cuda.is_available() and count > torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise InputError(f"{PARAMS}: runtime.num_processes: {count} processes need as many GPUs; {there} are visible")
    specification = sys.modules["__main__"].__spec__
    assert specification
    # torch divides the cores among the processes of one machine only where it is told to.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=count, run_id=str(uuid.uuid4()),
        rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=0,
    )  # fmt: skip
    for name in ("agent.server.api", "multiprocessing.api"):
        logging.getLogger(f"torch.distributed.elastic.{name}").setLevel(logging.CRITICAL)
    try:
        elastic_launch(config, sys.executable)("-m", specification.name, *arguments)
    except SignalException:
        sys.exit(_first_said(errors) or 1)  # it has been passed on
    except ChildFailedError as error:
        names = [failure.signal_name() for failure in error.failures.values() if failure.exitcode < 0]
        killed = [name for name in names if name != "SIGTERM"]  # with which torchrun ends those that still run
        if not killed and ((said := _first_said(errors)) or len(names) < len(error.failures)):
            sys.exit(said or 1)  # without a line, a mistake of ours has printed its traceback
        name = (killed or names)[0]
        hint = "; the system ends one where memory runs out" if name == "SIGKILL" else ""
        raise InputError(f"one of the {count} processes was ended by {name}{hint}") from None


def _first_said(errors: Path) -> str | None:
    files = sorted(errors.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    return files[0].read_text(encoding="utf-8") if files else None
