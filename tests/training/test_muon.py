import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cifar10.training.muon import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)])
def test_orthogonalize_keeps_the_directions_and_levels_their_sizes(shape):
    matrices = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    left, sizes, right = torch.linalg.svd(matrices, full_matrices=False)
    core = left.mT @ orthogonalize(matrices) @ right.mT
    stretched = core.diagonal(dim1=1, dim2=2)
    assert (sizes.amax(1) / sizes.amin(1) > 1.5).all()
    assert torch.allclose(core, stretched.diag_embed(), atol=1e-4)
    assert (stretched > 0.65).all()
    assert (stretched < 1.25).all()


def test_orthogonalize_in_bfloat16_turns_a_kernel_nearly_as_in_float32():
    """Its cosine with the exact factor is 0.98 in either, for singular values over two powers of ten."""
    generator = torch.Generator().manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(1, 64, 216, generator=generator), full_matrices=False)
    matrix = left @ torch.logspace(0, -2, 64).diag_embed() @ right
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = orthogonalize(matrix)
    assert low.dtype == torch.bfloat16
    for turned in (low.float(), orthogonalize(matrix)):
        assert torch.cosine_similarity(turned.flatten(), (left @ right).flatten(), dim=0) > 0.975


def test_a_matrix_of_nothing_stays_nothing():
    assert (orthogonalize(torch.zeros(1, 3, 5)) == 0).all()


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
        update = orthogonalize((gradient.view(4, 27) + 0.6 * buffer)[None])
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


def test_several_parameters_at_once_are_updated_as_each_alone():
    """Kernels of two shapes, of which one is there twice, a matrix and a vector, with weight decay."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 3, 3, 3), (6, 2, 1, 1), (4, 3, 3, 3), (5, 4), (7,)]
    start, gradients = ([torch.randn(shape, generator=generator) for shape in shapes] for _ in range(2))

    def after_two_steps(values: list[torch.Tensor], gradients: list[torch.Tensor]) -> list[torch.Tensor]:
        parameters = [torch.nn.Parameter(value.clone()) for value in values]
        optimizer = Muon([{"params": parameters, "weight_decay": 0.3}], lr=0.1, momentum=0.6)
        for _ in range(2):
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()
        return [parameter.detach() for parameter in parameters]

    together = after_two_steps(start, gradients)
    alone = [after_two_steps([value], [gradient])[0] for value, gradient in zip(start, gradients, strict=True)]
    assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(together, alone, strict=True))


def test_a_step_of_many_kernels_starts_few_operations():
    """A GPU waits for each: nine kernels of one shape take as many as one, but for their norms."""

    class Count(TorchDispatchMode):
        number = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.number += 1
            return func(*args, **(kwargs or {}))

    def operations(kernels: int) -> int:
        parameters = [torch.nn.Parameter(torch.ones(4, 3, 3, 3)) for _ in range(kernels)]
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        optimizer = Muon([{"params": parameters}], lr=0.1, momentum=0.6)
        optimizer.step()
        with Count() as count:
            optimizer.step()
        return count.number

    assert operations(9) - operations(1) <= 8 * 6


def test_what_has_no_gradient_is_left_alone():
    kernel = torch.nn.Parameter(torch.ones(2, 2, 1, 1))
    Muon([{"params": [kernel]}], lr=0.1, momentum=0.6).step()
    assert (kernel == 1).all()
