"""Allocation of structured pruning: which channels go, so that the network reaches the sparsity that was asked for.

One greedy loop serves every allocation: of the next steps of all groups it takes the one of lowest rank. A step takes a
group's least important channels: one, or as many as rounding lets go together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.engine.counts import macs_per_layer
from core.engine.networks.resnet18 import ResNet, Shape, conv_graph
from core.engine.pruning.channel_importance import Importance
from core.engine.pruning.shrink import Kept
from core.spec.methods import setting_function
from core.spec.validate import check_float, check_int

# What the share of the weights that a channel costs counts in the allocation cost; its share of the computation counts the
# rest. Weights need little: removal goes on until enough of them are gone anyway. They alone would leave the early layers,
# which have few weights and take most of the time, as they are.
WEIGHTS_COUNT = 0.2
CLOSE_ENOUGH = 0.005  # of sparsity: nearer than this, more channels are not worth giving up for exactness


def allocate(
    model: ResNet,
    importance: Importance,
    sparsity: float,
    *,
    allocation: str = "uniform",
    round_to: int = 1,
    floor: float = 0.0,
    dense: Shape | None = None,
) -> Kept:
    """The channels of each group that stay so that the sparsity of the smaller network is near to ``sparsity``.

    ``dense``: the shape that sparsity and shares refer to, where ``model`` has lost channels of it in earlier cuts.

    ``allocation`` uniform: every group loses the same share of its channels. global: channels compete across groups, by
    importance relative to the mean of their group (without that, layers with small filters would vanish first). cost:
    they compete by importance for what they cost in weights and computation. A group that loses channels keeps a
    multiple of ``round_to``; one that has no more than that stays whole. Every group keeps at least one channel and at
    least the share ``floor``. A sparsity that all this does not allow is approached as far as it does. InputError for a
    value that is not accepted.
    """
    check_float("sparsity", sparsity, 0, 1, below_high=True)
    check_int("round_to", round_to, 1, 64)
    check_float("floor", floor, 0, 1)
    rank: Rank = setting_function("structured", "allocation", allocation)
    dense = dense or model.shape
    groups = {
        name: _Group.of(name, scores, dense.groups[name], _levels(len(scores), dense.groups[name], round_to, floor))
        for name, scores in importance.items()
    }
    left = _remove(groups, Costs(model), sparsity, dense.prunable, rank)
    return {name: torch.sort(group.order[: left[name]]).values for name, group in groups.items()}


class Costs:
    """What channels cost in weights and in multiply-accumulates (MACs) for one picture."""

    def __init__(self, model: ResNet) -> None:
        macs, shapes = macs_per_layer(model), model.shape.weights
        self.weights = model.shape.prunable
        self.macs = sum(macs.values())
        self.writers = Counter(edge.target for edge in conv_graph())
        # For each group all it is connected to: another group or a number of channels, and the weights and MACs that
        # each pair of channels costs.
        self._links: dict[str, list[tuple[str | int, int, int]]] = {group: [] for group in model.shape.groups}
        for edge in conv_graph():
            weights = edge.kernel**2
            pair = (weights, weights * macs[edge.conv] // math.prod(shapes[edge.conv]))
            self._links[edge.target].append((3 if edge.source is None else edge.source, *pair))
            if edge.source is not None:
                self._links[edge.source].append((edge.target, *pair))
        self._links["stage4"].append((model.shape.classes, 1, 1))

    def of_channel(self, group: str, left: dict[str, int]) -> tuple[int, int]:
        """Weights and MACs that go with one channel of ``group`` where the groups have the channels ``left``."""
        weights = macs = 0
        for other, pair_weights, pair_macs in self._links[group]:
            channels = other if isinstance(other, int) else left[other]
            weights += channels * pair_weights
            macs += channels * pair_macs
        return weights, macs


@dataclass(frozen=True, slots=True)
class Step:
    """The least important of the ``before`` channels of a group go, ``left`` of at first ``full`` stay. ``rest`` and
    ``loss``: the shares of the group's importance that there still are before the step, and that go with it."""

    group: str
    full: int
    before: int
    left: int
    rest: float
    loss: float

    @property
    def gone(self) -> int:
        return self.before - self.left


@dataclass(frozen=True, slots=True)
class _Group:
    """A group's channels, of at first ``full``, most important first, the ``cumulative`` share of its importance that the
    first n of them have, and the numbers of channels that it may have, falling."""

    name: str
    order: Tensor
    full: int
    cumulative: list[float]
    levels: list[int]

    @classmethod
    def of(cls, name: str, scores: Tensor, full: int, levels: list[int]) -> _Group:
        order = torch.sort(scores, stable=True).indices.flip(0)
        ranked = scores.double()[order]
        if not ranked.any():  # all equally unimportant
            ranked = torch.ones_like(ranked)
        return cls(name, order, full, [0.0, *(ranked.cumsum(0) / ranked.sum()).tolist()], levels)

    def step(self, before: int) -> Step | None:
        left = next((level for level in self.levels if level < before), None)
        if left is None:
            return None
        share = self.cumulative
        return Step(self.name, self.full, before, left, rest=share[before], loss=share[before] - share[left])


def _levels(channels: int, full: int, round_to: int, floor: float) -> list[int]:
    least = max(1, math.ceil(floor * full - 1e-9))  # 0.1 * 30 is a little more than 3
    return [channels, *(left for left in range(channels - 1, least - 1, -1) if left % round_to == 0)]


# Takes a step, the channels that each group has left, and the costs: of all steps the one of lowest rank is taken.
Rank = Callable[[Step, dict[str, int], Costs], float]


def uniform_rank(step: Step, left: dict[str, int], costs: Costs) -> float:
    """Every group loses the same share of its channels."""
    return 1 - step.left / step.full


def global_rank(step: Step, left: dict[str, int], costs: Costs) -> float:
    """Channels compete by importance relative to the mean of their group."""
    return step.loss * step.full / step.gone


def cost_rank(step: Step, left: dict[str, int], costs: Costs) -> float:
    """What is lost for what is saved. The less a group still has, the more a loss counts (LAMP divides by the rest; a
    little more than that keeps a thin layer from being cut to one channel). A channel of the residual stream counts as
    many times as layers write it."""
    weights, macs = costs.of_channel(step.group, left)
    saved = WEIGHTS_COUNT * weights / costs.weights + (1 - WEIGHTS_COUNT) * macs / costs.macs
    return costs.writers[step.group] * step.loss / math.pow(step.rest, 1.5) / (step.gone * saved)


def _remove(groups: dict[str, _Group], costs: Costs, sparsity: float, dense_weights: int, rank: Rank) -> dict[str, int]:
    """How many channels each group has left when the sparsity, of the ``dense_weights``, is reached."""
    left = {name: len(group.order) for name, group in groups.items()}
    weights, target = float(costs.weights), (1 - sparsity) * dense_weights
    steps = {name: step for name, group in groups.items() if (step := group.step(left[name]))}
    while steps:
        step = min(steps.values(), key=lambda step: rank(step, left, costs))
        after = weights - step.gone * costs.of_channel(step.group, left)[0]
        if abs(after - target) < abs(weights - target):
            weights, left[step.group] = after, step.left
            following = groups[step.group].step(step.left)
        elif abs(weights - target) <= CLOSE_ENOUGH * dense_weights:
            break
        else:  # too large a step: a group with smaller ones may come nearer
            following = None
        if following is None:
            del steps[step.group]
        else:
            steps[step.group] = following
    return left
