"""Seeds, determinism, and where a result comes from. The only module that touches global random state."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

# What a result can change with.
LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "pillow", "py7zr")


def seed_globals(seed: int) -> None:
    """Seed torch's global generators, from which layers draw their initial weights."""
    torch.manual_seed(seed)


def derive_seed(seed: int, *position: int) -> int:
    """A 63-bit seed for one place of a run, such as (epoch, step).

    What happens at a step depends on its position alone and not on what was drawn before, so a resumed run repeats
    an uninterrupted one without any stored generator state. Mixed by numpy's SeedSequence (O'Neill's design), so
    neighbouring positions give unrelated streams. It ignores trailing zeros, which the length in front makes up for:
    epoch 3 as a whole and step 0 of epoch 3 are different places.
    """
    return int(np.random.SeedSequence((len(position), seed, *position)).generate_state(1, np.uint64)[0] >> 1)


def use_deterministic_kernels() -> None:
    """Make torch refuse kernels whose result depends on timing; for the rest of the process."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it before its first call
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def provenance() -> dict[str, Any]:
    """Commit (with `dirty` where files differ from it), library versions, processor or GPU, threads."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else _processor(),
        "threads": torch.get_num_threads(),
    }


def _git(*arguments: str) -> str | None:
    """What git prints in the current folder; None where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    """The processor's name and number of cores, as precisely as the system tells."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores"
