import pytest
import torch

from cifar10.training.muon import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)])
def test_orthogonalize_keeps_the_directions_and_levels_their_sizes(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, sizes, right = torch.linalg.svd(matrix, full_matrices=False)
    core = left.T @ orthogonalize(matrix) @ right.T
    assert sizes.max() / sizes.min() > 1.5
    assert torch.allclose(core, core.diag().diag(), atol=1e-4)
    assert (core.diag() > 0.65).all()
    assert (core.diag() < 1.25).all()


def test_a_matrix_of_nothing_stays_nothing():
    assert (orthogonalize(torch.zeros(3, 5)) == 0).all()


def test_a_kernel_is_kept_at_its_norm_and_turned_by_the_rate():
    """Two steps by hand: buffer = m buffer + g, update of g + m buffer, on a kernel scaled to norm 2 (4 filters)."""
    generator = torch.Generator().manual_seed(0)
    kernel = torch.nn.Parameter(torch.randn(4, 3, 3, 3, generator=generator))
    gradients = torch.randn(2, 4, 3, 3, 3, generator=generator)
    optimizer = Muon([{"params": [kernel], "weight_decay": 0.3}], lr=0.1, momentum=0.6)
    expected, buffer = kernel.detach().clone(), torch.zeros(4, 27)
    for gradient in gradients:
        kernel.grad = gradient.clone()
        optimizer.step()
        buffer = 0.6 * buffer + gradient.view(4, 27)
        update = orthogonalize(gradient.view(4, 27) + 0.6 * buffer)
        expected = 2 * expected / expected.norm() - 0.1 * update.view(4, 3, 3, 3)
    assert torch.allclose(kernel, expected, atol=1e-6)


def test_the_memory_order_of_a_kernel_does_not_matter():
    kernels = []
    for order in (torch.contiguous_format, torch.channels_last):
        kernel = torch.nn.Parameter(torch.arange(72.0).view(4, 2, 3, 3).sin().contiguous(memory_format=order))
        kernel.grad = torch.arange(72.0).view(4, 2, 3, 3).cos().contiguous(memory_format=order)
        Muon([{"params": [kernel]}], lr=0.1, momentum=0.6).step()
        kernels.append(kernel.detach())
    assert torch.allclose(*kernels, atol=1e-6)


def test_what_has_no_gradient_is_left_alone():
    kernel = torch.nn.Parameter(torch.ones(2, 2, 1, 1))
    Muon([{"params": [kernel]}], lr=0.1, momentum=0.6).step()
    assert (kernel == 1).all()
