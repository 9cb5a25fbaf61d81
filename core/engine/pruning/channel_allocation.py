"""Allocation of structured pruning: which channels go, so that the network reaches the sparsity that was asked for.

One greedy loop serves every allocation: of the next steps of all groups it takes the one of lowest rank. A step takes a
group's least important channels: one, or as many as rounding lets go together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.engine.counts import macs_per_layer
from core.engine.layer_times import STEP, LatencyModel
from core.engine.networks.channels import Channels, channels_of
from core.engine.networks.layers import prunable, prunable_count
from core.engine.pruning.channel_importance import Importance
from core.engine.pruning.shrink import Kept
from core.spec.errors import InputError
from core.spec.methods import setting_function
from core.spec.validate import check_float, check_int

# What the share of the weights that a channel costs counts in the allocation cost; its share of the computation counts the
# rest. Weights need little: removal goes on until enough of them are gone anyway. They alone would leave the early layers,
# which have few weights and take most of the time, as they are.
WEIGHTS_COUNT = 0.2
_NO_TIME = 1e-6  # of a network's time: a layer with fewer channels may take longer
CLOSE_ENOUGH = 0.005  # of sparsity: nearer than this, more channels are not worth giving up for exactness


@dataclass(frozen=True, slots=True)
class Target:
    """The share ``sparsity`` of the ``weights`` of the dense network is to go, whose groups had ``channels``; with
    ``latency`` that share of its time as this predicts it."""

    sparsity: float
    weights: int
    channels: Mapping[str, int]
    latency: LatencyModel | None = None

    @classmethod
    def of(cls, sparsity: float, dense: nn.Module, example: Tensor, latency: LatencyModel | None = None) -> Target:
        return cls(sparsity, prunable_count(dense), channels_of(dense, example).sizes, latency)


def allocate(
    costs: Costs,
    importance: Importance,
    target: Target,
    *,
    allocation: str = "uniform",
    round_to: int = 1,
    floor: float = 0.0,
) -> Kept:
    """The channels of each group that stay so that the sparsity of the smaller network is near to ``target``.

    ``allocation`` uniform: every group loses the same share of its channels. global: channels compete across groups, by
    importance relative to the mean of their group (without that, layers with small filters would vanish first). cost:
    they compete by importance for what they cost in weights and computation. latency: for what they cost in time, which
    ``costs`` then has to know. A group that loses channels keeps a multiple of ``round_to``, where time counts of at least
    8; one that has no more than that stays whole. Every group keeps at least one channel and at least the share ``floor``.
    A sparsity that all this does not allow is approached as far as it does. InputError for a value that is not accepted,
    and for a latency that cannot be reached.
    """
    check_float("sparsity", target.sparsity, 0, 1, below_high=True)
    check_int("round_to", round_to, 1, 64)
    check_float("floor", floor, 0, 1)
    rank: Rank = setting_function("structured", "allocation", allocation)
    if target.latency or allocation == "latency":  # one channel fewer saves no time
        round_to = math.lcm(round_to, STEP)
    full = target.channels
    groups = {
        name: _Group.of(name, scores, full[name], _levels(len(scores), full[name], round_to, floor))
        for name, scores in importance.items()
    }
    remove = _remove if target.latency is None else _remove_to_latency
    left = remove(groups, costs, target, rank)
    return {name: torch.sort(group.order[: left[name]]).values for name, group in groups.items()}


@dataclass(frozen=True, slots=True)
class Side:
    """One dimension of a weight: how many positions each channel of a group has there, and how many belong to none."""

    groups: Mapping[str, int]
    fixed: int = 0

    def size(self, left: Mapping[str, int]) -> int:
        return self.fixed + sum(count * left[group] for group, count in self.groups.items())


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or linear layer: the channels that it writes and reads, and the weights and multiply-accumulates that
    each pair of them costs."""

    rows: Side
    columns: Side
    weights: int
    macs: int

    def lost(self, group: str, left: Mapping[str, int]) -> int:
        """The pairs that go with one channel of ``group``."""
        rows, columns = self.rows.size(left), self.columns.size(left)
        after = (rows - self.rows.groups.get(group, 0)) * (columns - self.columns.groups.get(group, 0))
        return rows * columns - after


class Costs:
    """What channels cost in weights and in multiply-accumulates (MACs) for one picture, in a network of these ``layers``
    whose groups have ``channels``."""

    def __init__(
        self, layers: Iterable[Layer], channels: Mapping[str, int], latency: LatencyModel | None = None
    ) -> None:
        layers, self.latency = list(layers), latency
        pairs = [layer.rows.size(channels) * layer.columns.size(channels) for layer in layers]
        self.weights = sum(n * layer.weights for n, layer in zip(pairs, layers, strict=True))
        self.macs = sum(n * layer.macs for n, layer in zip(pairs, layers, strict=True))
        self.writers = Counter(group for layer in layers for group in layer.rows.groups)
        self._layers: dict[str, list[Layer]] = {
            group: [layer for layer in layers if group in layer.rows.groups or group in layer.columns.groups]
            for group in channels
        }

    @classmethod
    def of(cls, model: nn.Module, channels: Channels, example: Tensor, latency: LatencyModel | None = None) -> Costs:
        """The costs of a network whose removable channels are ``channels``, for pictures like ``example``."""
        macs = macs_per_layer(model, example[:1])
        layers = []
        for name, weight in prunable(model).items():
            rows, columns = (_side(channels, name, dim, weight.shape[dim]) for dim in (0, 1))
            pairs = weight.shape[0] * weight.shape[1]
            layers.append(Layer(rows, columns, weight.numel() // pairs, macs[name.removesuffix(".weight")] // pairs))
        return cls(layers, channels.sizes, latency)

    def of_channel(self, group: str, left: Mapping[str, int]) -> tuple[int, int]:
        """Weights and MACs that go with one channel of ``group`` where the groups have the channels ``left``."""
        weights = macs = 0
        for layer in self._layers[group]:
            pairs = layer.lost(group, left)
            weights += pairs * layer.weights
            macs += pairs * layer.macs
        return weights, macs


def _side(channels: Channels, tensor: str, dim: int, size: int) -> Side:
    """Dimension ``dim`` of a weight of ``size`` positions."""
    each = channels.counts(tensor, dim)
    return Side(each, size - sum(count * channels.sizes[name] for name, count in each.items()))


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
Rank = Callable[[Step, Mapping[str, int], Costs], float]


def uniform_rank(step: Step, left: Mapping[str, int], costs: Costs) -> float:
    """Every group loses the same share of its channels."""
    return 1 - step.left / step.full


def global_rank(step: Step, left: Mapping[str, int], costs: Costs) -> float:
    """Channels compete by importance relative to the mean of their group."""
    return step.loss * step.full / step.gone


def cost_rank(step: Step, left: Mapping[str, int], costs: Costs) -> float:
    """What is lost for what is saved. The less a group still has, the more a loss counts (LAMP divides by the rest; a
    little more than that keeps a thin layer from being cut to one channel). A channel of the residual stream counts as
    many times as layers write it."""
    weights, macs = costs.of_channel(step.group, left)
    saved = WEIGHTS_COUNT * weights / costs.weights + (1 - WEIGHTS_COUNT) * macs / costs.macs
    return _loss(step, costs) / (step.gone * saved)


def latency_rank(step: Step, left: Mapping[str, int], costs: Costs) -> float:
    """The same for what is saved of the network's time on this machine."""
    assert costs.latency is not None
    return _loss(step, costs) / max(costs.latency.saved(step.group, left, step.left), _NO_TIME)


def _loss(step: Step, costs: Costs) -> float:
    return costs.writers[step.group] * step.loss / math.pow(step.rest, 1.5)


def _remove(groups: dict[str, _Group], costs: Costs, target: Target, rank: Rank) -> dict[str, int]:
    """How many channels each group has left when the sparsity is reached."""
    left = {name: len(group.order) for name, group in groups.items()}
    weights, aim = float(costs.weights), (1 - target.sparsity) * target.weights
    steps = {name: step for name, group in groups.items() if (step := group.step(left[name]))}
    while steps:
        step = min(steps.values(), key=lambda step: rank(step, left, costs))
        after = weights - step.gone * costs.of_channel(step.group, left)[0]
        if abs(after - aim) < abs(weights - aim):
            weights, left[step.group] = after, step.left
            following = groups[step.group].step(step.left)
        elif abs(weights - aim) <= CLOSE_ENOUGH * target.weights:
            break
        else:  # too large a step: a group with smaller ones may come nearer
            following = None
        if following is None:
            del steps[step.group]
        else:
            steps[step.group] = following
    return left


def _remove_to_latency(groups: dict[str, _Group], costs: Costs, target: Target, rank: Rank) -> dict[str, int]:
    """How many channels each group has left when the predicted time is within the budget; InputError if it never is."""
    assert target.latency is not None
    left = {name: len(group.order) for name, group in groups.items()}
    steps = {name: step for name, group in groups.items() if (step := group.step(left[name]))}
    while (share := target.latency.share(left)) > 1 - target.sparsity:
        if not steps:
            raise InputError(
                "The network cannot be that fast here: it takes at least {least:.2f} of the dense network's time, not "
                "{budget:.2f}.",
                least=share,
                budget=1 - target.sparsity,
            )
        step = min(steps.values(), key=lambda step: rank(step, left, costs))
        left[step.group] = step.left
        following = groups[step.group].step(step.left)
        if following is None:
            del steps[step.group]
        else:
            steps[step.group] = following
    return left
