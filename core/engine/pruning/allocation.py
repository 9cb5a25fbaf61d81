"""How the sparsity of a network is spread over its layers. Whatever the way, the number of removed weights is exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from core.engine.pruning.base import Masks, lowest_masks, remove_lowest
from core.spec.validate import check_float

# Takes the magnitude of each weight, the sparsity, and the masks of earlier cuts, whose zeros count and stay; gives masks
# that remove exactly round(sparsity * n) of the n weights, the smallest of each layer first.
Allocation = Callable[[Mapping[str, Tensor], float, Masks], Masks]


def global_masks(magnitudes: Mapping[str, Tensor], sparsity: float, earlier: Masks) -> Masks:
    """All weights compete."""
    return lowest_masks(magnitudes, sparsity, earlier)


def lamp_masks(magnitudes: Mapping[str, Tensor], sparsity: float, earlier: Masks) -> Masks:
    """All weights compete by their LAMP scores (Lee et al., ICLR 2021)."""
    return lowest_masks({name: lamp_scores(magnitude) for name, magnitude in magnitudes.items()}, sparsity, earlier)


def uniform_masks(magnitudes: Mapping[str, Tensor], sparsity: float, earlier: Masks) -> Masks:
    """Every layer loses the same share of its weights."""
    return _layer_masks(magnitudes, sparsity, dict.fromkeys(magnitudes, 1 - sparsity), earlier)


def erk_masks(magnitudes: Mapping[str, Tensor], sparsity: float, earlier: Masks) -> Masks:
    """Layers have the densities of Erdos-Renyi-Kernel (Evci et al., ICML 2020)."""
    shapes = {name: tuple(magnitude.shape) for name, magnitude in magnitudes.items()}
    return _layer_masks(magnitudes, sparsity, erk_densities(shapes, sparsity), earlier)


def nm_masks(magnitudes: Mapping[str, Tensor], sparsity: float, earlier: Masks, *, left: int, of: int) -> Masks:
    """N:M sparsity (Mishra et al., arXiv 2104.08378): of every ``of`` weights in a row along the input channels at most
    ``left`` stay, once the sparsity is at least that of the pattern. Below that some of these groups are whole; above it
    all weights that are left compete. Channels that fill no group are outside the pattern."""
    check_float("sparsity", sparsity, 0, 1, below_high=True)
    removable = {
        name: _smallest_of_groups(magnitude, earlier.get(name), of - left, of) for name, magnitude in magnitudes.items()
    }
    gone = {name: removable[name] | ~earlier[name] if name in earlier else removable[name] for name in magnitudes}
    count = round(sparsity * sum(magnitude.numel() for magnitude in magnitudes.values()))
    outside = {name: magnitude.masked_fill(~gone[name], math.inf) for name, magnitude in magnitudes.items()}
    pattern = remove_lowest(outside, min(count, sum(int(one.sum()) for one in gone.values())), earlier)
    return remove_lowest(magnitudes, count, pattern)


nm_2_4_masks: Allocation = partial(nm_masks, left=2, of=4)
nm_4_8_masks: Allocation = partial(nm_masks, left=4, of=8)


def _smallest_of_groups(magnitude: Tensor, earlier: Tensor | None, count: int, of: int) -> Tensor:
    """Of each ``of`` weights along dimension 1 the ``count`` smallest, those that ``earlier`` has removed first: bool."""
    ranked = magnitude.detach() if earlier is None else magnitude.detach().masked_fill(~earlier, -1.0)
    found = torch.zeros_like(ranked, dtype=torch.bool)
    whole = ranked.shape[1] // of * of
    groups = ranked.movedim(1, -1)[..., :whole].unflatten(-1, (-1, of))
    places = torch.sort(groups, stable=True).indices[..., :count]
    found.movedim(1, -1)[..., :whole] = (
        torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, places, True).flatten(-2)
    )
    return found


def lamp_scores(magnitude: Tensor) -> Tensor:
    """The scores of one layer's weights by LAMP (Lee et al., ICLR 2021): each square over the sum of all squares from it
    upwards. The largest weight of every layer scores 1, so that no layer is emptied before the others."""
    squares = magnitude.detach().flatten().double() ** 2
    order = torch.sort(squares, stable=True).indices
    ascending = squares[order]
    upwards = ascending.flip(0).cumsum(0).flip(0)
    scores = torch.empty_like(squares)
    scores[order] = ascending / upwards.clamp_min(torch.finfo(torch.float64).tiny)
    return scores.view_as(magnitude)


def erk_densities(shapes: Mapping[str, tuple[int, ...]], sparsity: float) -> dict[str, float]:
    """The density of each layer by Erdos-Renyi-Kernel (Evci et al., ICML 2020): proportional to the sum of its weight's
    dimensions over their product. A layer that would need more than it has stays dense, and the rest makes up for it."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    raw = {name: sum(shape) / sizes[name] for name, shape in shapes.items()}
    dense: set[str] = set()
    while len(dense) < len(shapes):
        left = (1 - sparsity) * sum(sizes.values()) - sum(sizes[name] for name in dense)
        factor = left / sum(raw[name] * sizes[name] for name in shapes if name not in dense)
        full = {name for name in shapes if name not in dense and raw[name] * factor >= 1}
        if not full:
            return {name: 1.0 if name in dense else raw[name] * factor for name in shapes}
        dense |= full
    return dict.fromkeys(shapes, 1.0)


def apportion(total: int, quotas: Sequence[float], least: Sequence[int], most: Sequence[int]) -> list[int]:
    """Whole numbers as near to ``quotas`` as possible that sum to ``total``, by largest remainder (the first of equal ones);
    none below ``least`` or above ``most``, whose sums must lie on either side of ``total``."""
    counts = [min(max(math.floor(quota), low), high) for quota, low, high in zip(quotas, least, most, strict=True)]
    while missing := total - sum(counts):
        step = 1 if missing > 0 else -1
        free = [i for i, count in enumerate(counts) if least[i] <= count + step <= most[i]]
        counts[max(free, key=lambda i: step * (quotas[i] - counts[i]))] += step
    return counts


def _layer_masks(
    magnitudes: Mapping[str, Tensor], sparsity: float, densities: Mapping[str, float], earlier: Masks
) -> Masks:
    """Masks by which the layers come as near to ``densities`` as the exact total allows."""
    check_float("sparsity", sparsity, 0, 1, below_high=True)
    sizes = [magnitude.numel() for magnitude in magnitudes.values()]
    gone = [int((~earlier[name]).sum()) if name in earlier else 0 for name in magnitudes]
    quotas = [(1 - densities[name]) * size for name, size in zip(magnitudes, sizes, strict=True)]
    counts = apportion(max(round(sparsity * sum(sizes)), sum(gone)), quotas, gone, sizes)
    return {
        name: remove_lowest({name: magnitude}, count, earlier)[name]
        for (name, magnitude), count in zip(magnitudes.items(), counts, strict=True)
    }
