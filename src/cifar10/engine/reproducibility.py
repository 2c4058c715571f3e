"""Seeds and determinism. The only module that touches global random state."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_globals(seed: int) -> None:
    """Seed torch's global generators, from which layers draw their initial weights and dropout its masks.

    `torch.manual_seed` does the same for every kind of device that torch knows, and takes down the call stack for each
    that is not in use: half a millisecond, which counts where every small step is seeded.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


@contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Within it, torch's CPU generator is seeded, for libraries that take no generator; afterwards it is as before."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)


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
