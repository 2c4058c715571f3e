import platform
import subprocess
import sys

import pytest
import torch

from cifar10.engine import processor
from cifar10.engine.processor import computes_bfloat16, instruction_sets, keep_freed_memory

ZEN_3 = {"architecture": "x86_64", "avx2": True, "avx512_f": False, "avx512_bf16": False, "amx_bf16": False}


def pretend(monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object], onednn: bool = True) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)


@pytest.mark.parametrize(
    ("capabilities", "native"),
    [
        (ZEN_3, False),
        ({**ZEN_3, "avx512_f": True, "avx512_vnni": True}, False),  # Skylake: AVX-512 without its bfloat16 products
        ({**ZEN_3, "avx_ne_convert": True}, False),  # converts to bfloat16, and does not multiply in it
        ({**ZEN_3, "avx512_f": True, "avx512_bf16": True}, True),
        ({**ZEN_3, "amx_tile": True, "amx_bf16": True}, True),
        ({"architecture": "arm64", "neon": True, "bf16": False}, False),
        ({"architecture": "arm64", "neon": True, "bf16": True}, True),
        ({}, False),
    ],
)
def test_bfloat16_is_native_where_it_is_multiplied(monkeypatch, capabilities, native):
    pretend(monkeypatch, capabilities)
    assert computes_bfloat16() == native
    pretend(monkeypatch, capabilities, onednn=False)
    assert not computes_bfloat16()


def test_the_instruction_sets_are_those_that_the_processor_has(monkeypatch):
    pretend(monkeypatch, {**ZEN_3, "avx512_f": True, "avx512_bf16": True})
    assert instruction_sets() == ["avx2", "avx512_f", "avx512_bf16"]
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert instruction_sets() == []


ALLOCATE_AGAIN_AND_AGAIN = """
import resource, torch
from cifar10.engine.processor import keep_freed_memory
{keep}
def allocate():
    for megabytes in (64, 40, 52, 34, 58, 46):
        torch.empty(megabytes * 2**20, dtype=torch.uint8).fill_(1)
for _ in range(4):  # until every size has found its place
    allocate()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
allocate()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_freed_memory_is_kept():
    """294 MB are 75,264 pages of 4 KB, or 147 of 2 MB; of kept blocks next to none is faulted in again."""
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", ALLOCATE_AGAIN_AND_AGAIN.format(keep=keep)]))
        for keep in ("keep_freed_memory()", "")
    )
    assert given_back >= 147
    assert kept < given_back / 10


@pytest.mark.parametrize("library", [None, object()])
def test_other_c_libraries_are_left_as_they_are(monkeypatch, library):
    monkeypatch.setattr(processor, "_c_library", lambda: library)
    keep_freed_memory()
