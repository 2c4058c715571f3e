import subprocess
import sys

import torch

from cifar10.engine.reproducibility import derive_seed, seed_globals, seeded_globals


def test_seeds_of_all_positions_differ_and_are_pinned():
    """A change here changes every trained model, so the numbers themselves are part of the contract."""
    places = [derive_seed(0, epoch) for epoch in range(20)]
    seeds = places + [derive_seed(seed, epoch, step) for seed in range(3) for epoch in range(20) for step in range(50)]
    assert len(set(seeds)) == 3020
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert [derive_seed(0), derive_seed(0, 0), derive_seed(7, 1, 2)] == [
        7896617691693857887,
        3717377837946358015,
        1198149357715732621,
    ]


def test_globals_are_seeded_as_torch_does_it(monkeypatch):
    torch.manual_seed(5)
    first = torch.rand(3)
    seeded = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    seed_globals(5)
    assert (torch.rand(3) == first).all()
    assert seeded == [5]


def test_deterministic_kernels_are_for_the_whole_process():
    code = (
        "import torch; from cifar10.engine.reproducibility import use_deterministic_kernels as use; use();"
        "assert torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark;"
        "import os; assert os.environ['CUBLAS_WORKSPACE_CONFIG']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_library_can_draw_from_a_seed_without_leaving_a_trace():
    seed_globals(5)
    undisturbed = torch.rand(3)
    seed_globals(5)
    draws = []
    for _ in range(2):
        with seeded_globals(11):
            draws.append(torch.rand(3))
    assert (draws[0] == draws[1]).all()
    assert (torch.rand(3) == undisturbed).all()
