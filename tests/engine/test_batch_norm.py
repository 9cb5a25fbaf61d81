from itertools import product

import pytest
import torch
from torch import Tensor, nn

from core.engine.device import threads
from prunescope.batch_norm import BatchNorm

SHAPES = [(4, 5, 6, 7), (2, 12, 4, 4), (3, 1, 2, 2), (16, 3, 1, 1), (2, 16, 3, 3), (2, 24, 5, 3)]
LAYOUTS = [torch.channels_last, torch.contiguous_format]
EXACT = {torch.float64: 1e-11, torch.float32: 2e-4}


def twins(channels: int, dtype: torch.dtype, momentum: float | None) -> tuple[BatchNorm, nn.BatchNorm2d]:
    ours, reference = (kind(channels, momentum=momentum).to(dtype) for kind in (BatchNorm, nn.BatchNorm2d))
    with torch.no_grad():
        reference.weight.uniform_(-2, 2)
        reference.bias.normal_()
    ours.load_state_dict(reference.state_dict())
    return ours, reference


def trained(norm: nn.BatchNorm2d, x: Tensor, grad: Tensor) -> dict[str, Tensor]:
    """All that a training step computes."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    norm.zero_grad()
    out = norm(x)
    out.backward(grad)
    assert x.grad is not None
    assert norm.weight.grad is not None
    assert norm.bias.grad is not None
    return {"out": out.detach(), "x": x.grad, "weight": norm.weight.grad, "bias": norm.bias.grad} | dict(
        norm.state_dict()
    )


@pytest.mark.parametrize(("shape", "dtype", "layout"), list(product(SHAPES, EXACT, LAYOUTS)))
@pytest.mark.parametrize("count", [1, 2])
def test_batchnorm_trains_as_pytorchs_own(shape, dtype, layout, count):
    torch.manual_seed(0)
    ours, reference = twins(shape[1], dtype, 0.1 if count == 1 else None)  # None: the mean over all batches
    with threads(count):
        for _ in range(3):
            x = (torch.randn(shape, dtype=dtype) * 2 + 3).to(memory_format=layout)
            grad = torch.randn_like(x)
            found, expected = trained(ours, x, grad), trained(reference, x, grad)
            for name, value in expected.items():
                torch.testing.assert_close(found[name], value, rtol=EXACT[dtype], atol=EXACT[dtype], msg=name)
            assert found["out"].is_contiguous(memory_format=layout)
    x = torch.randn(shape, dtype=dtype)
    torch.testing.assert_close(ours.eval()(x), reference.eval()(x), rtol=EXACT[dtype], atol=EXACT[dtype])


def takes_rows(channels: int, layout: torch.memory_format) -> bool:
    x = torch.randn(2, channels, 4, 4).to(memory_format=layout).requires_grad_()
    return type(BatchNorm(channels)(x).grad_fn).__name__ == "_RowsBackward"


@pytest.mark.parametrize(
    ("count", "channels", "rows"), [(1, 8, False), (1, 12, True), (2, 8, True), (2, 24, True), (2, 16, False)]
)
def test_odd_numbers_of_channels_are_taken_by_rows(count, channels, rows):
    with threads(count):
        assert takes_rows(channels, torch.channels_last) is rows
        assert not takes_rows(channels, torch.contiguous_format)


def test_one_value_a_channel_is_refused_as_pytorch_refuses_it():
    with pytest.raises(ValueError, match="more than 1 value"):
        BatchNorm(3)(torch.randn(1, 3, 1, 1).to(memory_format=torch.channels_last))
