import pytest
import torch
from conftest import train_config

from cifar10.core.config import InputError
from cifar10.engine.runtime import NATIVE_BFLOAT16, Runtime, RuntimeConfig


def config(**changes) -> RuntimeConfig:
    return train_config().runtime.model_copy(update={"device": "cpu", **changes})


def test_auto_takes_the_gpu_where_there_is_one():
    assert (Runtime(config(device="auto")).device.type == "cuda") == torch.cuda.is_available()


@pytest.mark.parametrize("native", [True, False])
def test_auto_takes_bfloat16_where_it_is_native(monkeypatch, native):
    monkeypatch.setitem(NATIVE_BFLOAT16, "cpu", lambda: native)
    assert Runtime(config(precision="auto")).precision == ("bfloat16" if native else "float32")
    for asked in ("float32", "bfloat16"):
        assert Runtime(config(precision=asked)).precision == asked


def test_a_processor_is_asked_for_its_own_capability(monkeypatch):
    for native in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda native=native: {"avx512_bf16": native}, raising=False)
        assert NATIVE_BFLOAT16["cpu"]() == native


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_one_line():
    with pytest.raises(
        InputError, match=r"^params\.yaml: runtime\.device: no cuda device here; use auto or one of: .*cpu$"
    ):
        Runtime(config(device="cuda"))


def test_autocast_computes_in_the_chosen_precision():
    layer = torch.nn.Linear(4, 4)
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with Runtime(config(precision=precision)).autocast():
            assert layer(torch.zeros(2, 4)).dtype == dtype


@pytest.mark.parametrize("channels_last", [True, False])
def test_weights_lie_in_the_chosen_order(channels_last):
    model = Runtime(config(channels_last=channels_last)).to_device(torch.nn.Conv2d(3, 8, 3))
    weight = next(model.parameters())
    assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_apples_gpu_gets_contiguous_memory(monkeypatch):
    """Batch norm on channels_last is wrong there in some versions of torch (pytorch issue 175189)."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert Runtime(config(device="mps", channels_last=True)).memory_format == torch.contiguous_format


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
    ],
)
@pytest.mark.parametrize(
    ("device", "native", "precision", "batch_size", "told"),
    [
        (
            "cuda",
            True,
            "float32",
            64,
            "GPU memory with batch_size 64; try batch_size 32, or runtime.precision bfloat16",
        ),
        ("cuda", True, "bfloat16", 64, "GPU memory with batch_size 64; try batch_size 32, or another model.name"),
        ("cpu", True, "float32", 64, "memory with batch_size 64; try batch_size 32, or runtime.precision bfloat16"),
        ("cpu", False, "float32", 64, "memory with batch_size 64; try batch_size 32, or another model.name"),
        ("cpu", True, "bfloat16", 3, "memory with batch_size 3; try another model.name"),
    ],
)
def test_out_of_memory_is_one_line(error, device, native, precision, batch_size, told):
    runtime = Runtime(config(precision=precision))
    runtime.native_bfloat16 = native
    runtime.device = torch.device(device)
    with pytest.raises(InputError) as raised, runtime.explain_failures("batch_size", batch_size, smallest=2):
        raise error
    assert str(raised.value).startswith(f"out of {told}")
    assert "\n" not in str(raised.value)


def test_a_processor_that_runs_out_says_so_itself():
    """The allocator's real error: 4 exabytes."""
    with (
        pytest.raises(InputError, match=r"^out of memory with b 4; try b 2"),
        Runtime(config()).explain_failures("b", 4, 1),
    ):
        torch.empty(2**60)


def test_an_operation_without_a_deterministic_kernel_is_one_line():
    """torch's real error, of an operation that it refuses on a processor too."""
    explained = Runtime(config()).explain_failures("b", 4, 1)
    told = r"^params\.yaml: runtime\.deterministic: torch has no deterministic put_ here; use false, or another model"
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(InputError, match=told), explained:
            torch.zeros(2).put_(torch.tensor([0, 0]), torch.ones(2))
    finally:
        torch.use_deterministic_algorithms(False)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shape"), Runtime(config()).explain_failures("batch_size", 4, 2):
        raise RuntimeError("shape")


def test_it_says_what_it_runs_on():
    threads = torch.get_num_threads()
    assert str(Runtime(config())) == f"cpu, {threads} thread{'s' if threads > 1 else ''}, float32"
