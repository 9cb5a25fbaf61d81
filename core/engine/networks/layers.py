"""The layers of any network: which can be pruned, their shapes, and which BatchNorm follows which convolution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from prunescope.batch_norm import BatchNorm
from prunescope.residual import INPUT_SHAPE

Network = TypeVar("Network", bound=nn.Module)
_PLAIN_CONV = (nn.Conv2d.forward, nn.Conv2d._conv_forward)


def with_picture_shape(model: Network, shape: tuple[int, ...]) -> Network:
    """``model``, which from now on, as its copies, is known to take pictures of ``shape`` (channels, height, width)."""
    model.picture_shape = shape  # type: ignore[assignment] # a plain attribute
    return model


def example_of(model: nn.Module) -> Tensor:
    """A black picture [1, C, H, W] of the shape that ``model`` takes, on its device; [1, 3, 32, 32] where nobody said so."""
    shape: tuple[int, ...] = getattr(model, "picture_shape", INPUT_SHAPE)
    return torch.zeros(1, *shape, device=next(model.parameters()).device)


def prunable(model: nn.Module) -> dict[str, Tensor]:
    """The weights that can be pruned: those of convolutions and linear layers, by parameter name."""
    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def prunable_count(model: nn.Module) -> int:
    """The number of prunable weights, which sparsity refers to."""
    return sum(weight.numel() for weight in prunable(model).values())


def layer_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """The weight shape of each prunable layer, by its name."""
    return {name.removesuffix(".weight"): tuple(weight.shape) for name, weight in prunable(model).items()}


def filter_count(model: nn.Module) -> int:
    """The number of filters of all convolutions."""
    return sum(module.weight.shape[0] for module in model.modules() if isinstance(module, nn.Conv2d))


def noise_like(example: Tensor) -> Tensor:
    """One picture of the shape of those in ``example``, of the same random numbers each time: what an empty picture hides
    shows in it."""
    noise = torch.randn(1, *example.shape[1:], generator=torch.Generator().manual_seed(0))
    return noise.to(example)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside, ``model`` is in evaluation mode; each of its modules returns to its own mode."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, was in training.items():
            module.training = was


class _Reads(TorchDispatchMode):
    """Inside, ``counts`` counts the operations that read a tensor, by its identity."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[int] = Counter()

    def __torch_dispatch__(
        self, operation: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self.counts.update({id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)})
        return operation(*args, **kwargs)


@torch.no_grad()
def conv_norm_pairs(model: nn.Module, example: Tensor) -> list[tuple[str, str]]:
    """The names of each convolution and of the BatchNorm that alone reads its output, in the order of computation, as seen
    while ``model`` computes with ``example`` in evaluation. Left out are layers that are used twice, and those of classes
    that compute something else than PyTorch's."""
    written: dict[
        int, tuple[str, Tensor]
    ] = {}  # by the identity of an output, which is kept from being given to another
    pairs: dict[str, str] = {}
    uses: Counter[str] = Counter()
    reads = _Reads()

    def note_conv(module: nn.Module, inputs: tuple[Tensor], output: Tensor, *, name: str) -> None:
        uses[name] += 1
        written[id(output)] = name, output
        reads.counts[id(output)] = 0

    def note_norm(module: nn.Module, inputs: tuple[Tensor], *, name: str) -> None:
        uses[name] += 1
        if id(inputs[0]) in written and not reads.counts[id(inputs[0])]:  # an operation in place may have changed it
            pairs[written[id(inputs[0])][0]] = name

    hooks = []
    for name, module in model.named_modules():
        if _is_plain_conv(module):
            hooks.append(module.register_forward_hook(partial(note_conv, name=name)))
        elif _is_plain_norm(module):
            hooks.append(module.register_forward_pre_hook(partial(note_norm, name=name)))
    try:
        with evaluating(model), reads:
            model(example[:1])
    finally:
        for hook in hooks:
            hook.remove()
    once = {name for name, output in written.values() if reads.counts[id(output)] == 1 == uses[name]}
    return [(conv, norm) for conv, norm in pairs.items() if conv in once and uses[norm] == 1]


def _is_plain_conv(module: nn.Module) -> bool:
    kind = type(module)
    return isinstance(module, nn.Conv2d) and (kind.forward, kind._conv_forward) == _PLAIN_CONV  # type: ignore[attr-defined]


def _is_plain_norm(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.BatchNorm2d)
        and type(module).forward in (nn.BatchNorm2d.forward, BatchNorm.forward)
        and module.affine
        and module.track_running_stats
    )
