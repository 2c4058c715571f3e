"""What the processor computes natively, and how this process keeps its memory."""

import ctypes

import torch

# Those that decide how quick a network is, by torch's names: x86 in ascending order, then Arm.
INSTRUCTION_SETS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "neon", "sve", "bf16")

# Those with products of bfloat16 numbers. Elsewhere each is taken apart into float32, which is 4 to 16 times slower
# (https://github.com/pytorch/pytorch/issues/183815).
BFLOAT16_PRODUCTS = {"avx512_bf16", "amx_bf16", "bf16"}

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def instruction_sets() -> list[str]:
    """Those of INSTRUCTION_SETS that this processor has; empty where torch cannot tell."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # the oldest torch that we run with may lack it
    return [name for name in INSTRUCTION_SETS if capabilities.get(name)]


def computes_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 numbers natively, and torch has the library that makes use of it."""
    return torch.backends.mkldnn.is_available() and not BFLOAT16_PRODUCTS.isdisjoint(instruction_sets())


def keep_freed_memory() -> None:
    """Let the C library keep freed blocks for the next layer instead of giving them back to the system.

    glibc maps each block above 32 MB anew, and the system fills it with zeros page by page: a third of the time of a
    training with batches of 1,000. It holds for the rest of the process. Other C libraries are left as they are.
    """
    mallopt = getattr(_c_library(), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)  # no block is too large to be kept


def _c_library() -> ctypes.CDLL | None:
    """The C library of this process; None on Windows."""
    try:
        return ctypes.CDLL(None)
    except TypeError:
        return None
