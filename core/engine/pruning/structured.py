"""Structured pruning (Li et al., ICLR 2017): whole filters are removed, and the network really becomes smaller.

Filters whose outputs are added together (a stage's residual stream) form one group and go together. Which channels
go is decided apart from their removal: the first is a ranking, the second only slices tensors.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from core.engine.models.resnet import ResNet, Shape, wiring
from core.engine.pruning.base import Context, Pruned
from core.study.checks import number, one_of

# Group name to the sorted indices of the channels that stay.
Kept = dict[str, Tensor]
_ORDER = {"l1": 1, "l2": 2}


def structured_prune_filters(
    model: ResNet, sparsity: float = 0.9, *, criterion: str = "l1", allocation: str = "uniform"
) -> ResNet:
    """A smaller network: ``model`` without its least important filters, so many that the share ``sparsity`` of its
    prunable weights is gone, as closely as whole channels allow. ValueError for a sparsity outside [0, 1)."""
    return shrink(model, choose_channels(model, sparsity, criterion=criterion, allocation=allocation))


def prune(model: ResNet, sparsity: float, context: Context) -> Pruned:
    """The method as a run executes it."""
    settings = {name: str(value) for name, value in context.settings.items()}
    return Pruned(structured_prune_filters(model, sparsity, **settings))


def importance(model: ResNet, criterion: str) -> dict[str, Tensor]:
    """For each group the importance of its channels: the norm of the filters that write them, averaged over ties."""
    order = _ORDER[one_of("criterion", criterion, tuple(_ORDER))]
    norms: dict[str, list[Tensor]] = {}
    for wire in wiring():
        weight = model.get_parameter(f"{wire.conv}.weight").detach().flatten(1)
        norms.setdefault(wire.target, []).append(torch.linalg.vector_norm(weight, ord=order, dim=1))
    return {group: torch.stack(parts).mean(0).cpu() for group, parts in norms.items()}


def choose_channels(model: ResNet, sparsity: float, *, criterion: str = "l1", allocation: str = "uniform") -> Kept:
    """The channels that stay in each group so that the sparsity of the smaller network is nearest to ``sparsity``.

    ``allocation`` uniform: every group loses the same share of its channels. global: channels compete across groups, by
    importance relative to the mean of their group (without that, layers with small filters would vanish first).
    At least one channel stays in each group.
    """
    number("sparsity", sparsity, 0, 1, below_high=True)
    one_of("allocation", allocation, ("uniform", "global"))
    queue: list[tuple[float, str, int]] = []
    for group, scores in importance(model, criterion).items():
        ranked = torch.sort(scores, stable=True).indices.tolist()
        for rank, channel in enumerate(ranked[:-1]):
            share = (rank + 1) / len(ranked)
            relative = float(scores[channel] / scores.mean().clamp_min(1e-12))
            queue.append((share if allocation == "uniform" else relative, group, channel))
    queue.sort(key=lambda item: item[0])
    gone = queue[: _removals(model.shape, [group for _, group, _ in queue], sparsity)]
    kept = {group: torch.ones(channels, dtype=torch.bool) for group, channels in model.shape.groups.items()}
    for _, group, channel in gone:
        kept[group][channel] = False
    return {group: keep.nonzero().flatten() for group, keep in kept.items()}


def _removals(shape: Shape, queue: list[str], sparsity: float) -> int:
    """How many channels to remove from the front of ``queue``, which names the group of each, to come nearest."""
    total = shape.prunable

    def reached(count: int) -> float:
        groups = shape.groups
        for group in queue[:count]:
            groups[group] -= 1
        return 1 - Shape.of_groups(groups, shape.classes).prunable / total

    low, high = 0, len(queue)
    while low < high:  # the first count that reaches the sparsity
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= sparsity else (middle + 1, high)
    return min((count for count in (low - 1, low) if count >= 0), key=lambda count: abs(reached(count) - sparsity))


def shrink(model: ResNet, kept: Mapping[str, Tensor]) -> ResNet:
    """The network that computes what ``model`` would with only the channels ``kept`` of each group."""
    shape = Shape.of_groups({group: len(index) for group, index in kept.items()}, model.shape.classes)
    device = next(model.parameters()).device
    kept = {group: index.to(device) for group, index in kept.items()}
    state = model.state_dict()
    for wire in wiring():
        weight = state[f"{wire.conv}.weight"].index_select(0, kept[wire.target])
        state[f"{wire.conv}.weight"] = weight if wire.source is None else weight.index_select(1, kept[wire.source])
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{wire.norm}.{name}"] = state[f"{wire.norm}.{name}"].index_select(0, kept[wire.target])
    state["fc.weight"] = state["fc.weight"].index_select(1, kept["stage4"])
    smaller = ResNet(shape).to(device).train(model.training)
    smaller.load_state_dict(state)
    return smaller
