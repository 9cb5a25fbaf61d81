"""Folding: channels that are alike are merged into one, where a cut drops those of low importance.

O. Saukh, D. Wang, H. Šikić, Y. Cheng, L. Thiele. Cut Less, Fold More: Model Compression through the Lens of Projection
Geometry. ICLR 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core.engine.networks.channels import channels_of
from core.engine.networks.layers import Network, conv_norm_pairs
from core.engine.pruning.shrink import shrink
from core.spec.errors import InputError
from prunescope.resize import resize

RESTARTS, ITERATIONS = 10, 100  # of k-means
_TINY = 1e-30

Points = NDArray[np.float64]
# Group name to the weights [new channels, old channels] by which each new channel is the mean of old ones.
Averages = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class _Edge:
    """A convolution with its BatchNorm, and the groups of channels that it reads (None: what no cut changes) and writes."""

    conv: str
    norm: str
    source: str | None
    target: str


def fold(model: Network, kept: Mapping[str, Tensor], seed: int, example: Tensor) -> Network:
    """The network with as many channels in each group of ``model`` as ``kept`` has.

    Channels are clustered by k-means, started from ``seed``, on all filters that write them, each with the factor and the
    shift that BatchNorm gives its output. ``example``: a picture. InputError for a network of other layers than
    convolutions, each with a BatchNorm, and linear ones that end it.
    """
    edges = _edges(model, example)
    shrink(model, kept, example)  # raises for a network that does not work with fewer channels
    averages = {
        group: _averages(_filters(model, edges, group), len(index), np.random.default_rng((seed, place)))
        for place, (group, index) in enumerate(kept.items())
    }
    return merge(model, averages, example)


def merge(model: Network, averages: Averages, example: Tensor) -> Network:
    """``model`` with each cluster of channels as one: with the mean of the members' filters, and read with the sum of the
    weights that the members are read with. Nothing is lost where the members are equal. For the rest see :func:`fold`."""
    smaller = deepcopy(model)
    if all(len(average) == average.shape[1] for average in averages.values()):
        return smaller
    device, channels = next(model.parameters()).device, channels_of(model, example)
    averages = {group: average.to(device) for group, average in averages.items()}
    state = model.state_dict()
    merged_state: dict[str, Tensor] = {}
    for edge in _edges(model, example):
        average, factor = averages[edge.target], _factor(model, edge)
        # The mean filter times its factor is the mean of the filters times theirs, whatever the signs of the latter.
        merged = average @ factor.abs()
        mean = average * factor / merged.clamp_min(_TINY)[:, None]
        weight = torch.einsum("kn,nchw->kchw", mean, state[f"{edge.conv}.weight"])
        if edge.source is not None:
            weight = torch.einsum("kchw,lc->klhw", weight, averages[edge.source].sign())
        gamma = average @ state[f"{edge.norm}.weight"].abs()
        eps = model.get_submodule(edge.norm).eps
        assert isinstance(eps, float)
        merged_state |= {
            f"{edge.conv}.weight": weight,
            f"{edge.norm}.weight": gamma,
            f"{edge.norm}.bias": average @ state[f"{edge.norm}.bias"],
            f"{edge.norm}.running_mean": mean @ state[f"{edge.norm}.running_mean"],
            f"{edge.norm}.running_var": ((gamma / merged.clamp_min(_TINY)).square() - eps).clamp_min(0),
        }
    for name, weight in _readers(model):
        source = channels.group_along(name, 1)
        assert source is not None
        merged_state[name] = weight.detach() @ averages[source].sign().T
    resize(smaller, merged_state)
    return smaller


def _edges(model: nn.Module, example: Tensor) -> list[_Edge]:
    """All convolutions of ``model``, in the order of its modules; InputError if one of its layers cannot be merged."""
    channels, norms = channels_of(model, example), dict(conv_norm_pairs(model, example))
    edges = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            reads, writes = (f"{name}.weight", 1), (f"{name}.weight", 0)
            source, target = channels.group_along(*reads), channels.group_along(*writes)
            whole = source is not None or channels.axis(*reads) is None
            if name not in norms or target is None or not whole or module.groups > 1 or module.bias is not None:
                raise _unmergeable(name)
            edges.append(_Edge(name, norms[name], source, target))
    for name, _ in _readers(model):
        if channels.group_along(name, 1) is None or channels.axis(name, 0) is not None:
            raise _unmergeable(name.removesuffix(".weight"))
    merged = {edge.target for edge in edges}
    apart = next((group for group in channels.groups if group not in merged), None)
    if apart is not None:
        raise _unmergeable(apart)
    return edges


def _readers(model: nn.Module) -> list[tuple[str, Tensor]]:
    """The weights of the linear layers, by name."""
    return [
        (f"{name}.weight", module.weight) for name, module in model.named_modules() if isinstance(module, nn.Linear)
    ]


def _unmergeable(layer: str) -> InputError:
    return InputError("The channels of {layer} cannot be merged: choose removal=cut.", layer=layer)


def _factor(model: nn.Module, edge: _Edge) -> Tensor:
    """What BatchNorm multiplies the outputs of a convolution by [channels]."""
    norm = model.get_submodule(edge.norm)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    return norm.weight.detach() / (norm.running_var + norm.eps).sqrt()


def _filters(model: nn.Module, edges: list[_Edge], group: str) -> Points:
    """For each channel of ``group`` what all layers that write it compute, as one row."""
    parts = []
    for edge in edges:
        if edge.target == group:
            weight = model.get_parameter(f"{edge.conv}.weight").detach().flatten(1)
            shift = model.get_parameter(f"{edge.norm}.bias").detach()
            parts += [weight * _factor(model, edge)[:, None], shift[:, None]]
    return torch.cat(parts, 1).cpu().double().numpy()


def _averages(points: Points, count: int, rng: np.random.Generator) -> Tensor:
    """The best of RESTARTS clusterings of ``points`` into ``count``, as the weights of each mean [count, points]."""
    if count == len(points):
        return torch.eye(count)
    runs = [_k_means(points, _first_centres(points, count, rng)) for _ in range(RESTARTS)]
    labels = min(runs, key=lambda run: run[0])[1]
    members = F.one_hot(torch.from_numpy(labels), count).T.float()
    return members / members.sum(1, keepdim=True)


def _first_centres(points: Points, count: int, rng: np.random.Generator) -> Points:
    """``count`` different rows of ``points``, those far from the others more likely (Arthur & Vassilvitskii, 2007)."""
    chosen = [int(rng.integers(len(points)))]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < count:
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(1))
        chances = nearest if nearest.any() else np.ones(len(points))  # else all are copies of those that were chosen
        chances = np.where(np.isin(np.arange(len(points)), chosen), 0, chances)
        chosen.append(int(rng.choice(len(points), p=chances / chances.sum())))
    return points[chosen]


def _k_means(points: Points, centres: Points) -> tuple[float, NDArray[np.int64]]:
    """The sum of squared distances to the centres, and the cluster of each of ``points``; no cluster is empty."""
    count, rows = len(centres), np.arange(len(points))
    labels = np.full(len(points), -1)
    for _ in range(ITERATIONS):
        distances = _distances(points, centres)
        before, labels = labels, distances.argmin(1)
        for empty in np.setdiff1d(np.arange(count), labels):
            # It gets the point that is farthest from its centre and leaves others there.
            alone = np.bincount(labels, minlength=count)[labels] == 1
            labels[np.where(alone, -1.0, distances[rows, labels]).argmax()] = empty
        if (labels == before).all():
            break
        centres = np.stack([points[labels == cluster].mean(0) for cluster in range(count)])
    return float(((points - centres[labels]) ** 2).sum()), labels


def _distances(points: Points, centres: Points) -> Points:
    """Squared distances [points, centres]."""
    squares: Points = (points**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * points @ centres.T
    return squares.clip(min=0)
