"""How the sparsity of a network is spread over its layers. Whatever the way, the number of removed weights is exact."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from core.engine.pruning.base import Masks, lowest_masks, remove_lowest
from core.spec.validate import check_choice, check_float

ALLOCATIONS = ("global", "uniform", "erk", "lamp")


def allocated_masks(
    magnitudes: Mapping[str, Tensor], sparsity: float, allocation: str = "global", held: Masks | None = None
) -> Masks:
    """Masks that remove exactly round(sparsity * n) of the n weights with these ``magnitudes``, the smallest of each layer
    first. What the masks ``held`` have removed counts as removed and stays so."""
    check_choice("allocation", allocation, ALLOCATIONS)
    if allocation == "global":
        return lowest_masks(magnitudes, sparsity, held)
    if allocation == "lamp":
        return lowest_masks({name: lamp_scores(magnitude) for name, magnitude in magnitudes.items()}, sparsity, held)
    counts = _layer_counts(magnitudes, sparsity, allocation, held or {})
    return {
        name: remove_lowest({name: magnitude}, counts[name], held or {})[name] for name, magnitude in magnitudes.items()
    }


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


def _layer_counts(magnitudes: Mapping[str, Tensor], sparsity: float, allocation: str, held: Masks) -> dict[str, int]:
    """How many weights of each layer are to be gone."""
    check_float("sparsity", sparsity, 0, 1, below_high=True)
    sizes = [magnitude.numel() for magnitude in magnitudes.values()]
    gone = [int((~held[name]).sum()) if name in held else 0 for name in magnitudes]
    if allocation == "uniform":
        quotas = [sparsity * size for size in sizes]
    else:
        densities = erk_densities({name: tuple(tensor.shape) for name, tensor in magnitudes.items()}, sparsity)
        quotas = [(1 - density) * size for density, size in zip(densities.values(), sizes, strict=True)]
    total = max(round(sparsity * sum(sizes)), sum(gone))
    return dict(zip(magnitudes, apportion(total, quotas, gone, sizes), strict=True))
