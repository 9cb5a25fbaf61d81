"""Structured pruning (Li et al., ICLR 2017): whole filters are removed, and the network really becomes smaller.

Three questions are answered apart: what a channel is worth (channel_importance), which channels go (channel_allocation)
and how they are removed (shrink, fold).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from core.engine.layer_times import LatencyModel, times_for
from core.engine.networks.channels import channels_of
from core.engine.networks.layers import Network, example_of, layer_shapes
from core.engine.pruning.base import Context, Pruned
from core.engine.pruning.channel_allocation import Costs, Target, allocate
from core.engine.pruning.channel_importance import Criterion, Sample
from core.engine.pruning.fold import fold
from core.engine.pruning.shrink import Kept, shrink
from core.spec.errors import InputError
from core.spec.methods import setting_function
from core.spec.settings import SPARSITY


def structured_prune_filters(
    model: Network,
    sparsity: float = 0.9,
    *,
    example_input: Tensor | None = None,
    criterion: str = "l1",
    allocation: str = "uniform",
    round_to: int = 1,
    floor: float = 0.0,
    target: str = SPARSITY,
    sample: Sample | None = None,
) -> Network:
    """A smaller network: ``model`` without its least important filters, so many that the share ``sparsity`` of its
    prunable weights is gone, as closely as whole channels allow.

    With the ``target`` latency-1 or latency-batch that share of its time as it is delivered on this machine is gone, for
    one picture or for a large batch, as predicted by :class:`LatencyModel`.

    ``example_input``, pictures [n, C, H, W], is what the network is traced with, [1, 3, 32, 32] by default. ``sample``,
    pictures [n, C, H, W] and labels [n], is what the criterion taylor looks at, which is for that only. For the rest see
    the registry of methods and :func:`allocate`. ValueError for a sparsity outside [0, 1), for settings that do not exist,
    and, with the reason, for a network that cannot be traced or cut.
    """
    example = example_of(model) if example_input is None else example_input
    kept = choose_channels(
        model,
        sparsity,
        example,
        criterion=criterion,
        allocation=allocation,
        round_to=round_to,
        floor=floor,
        target=target,
        sample=(lambda n: sample) if sample and len(sample[1]) else None,
    )
    return shrink(model, kept, example)


def choose_channels(
    model: nn.Module,
    sparsity: float,
    example: Tensor,
    *,
    criterion: str = "l1",
    allocation: str = "uniform",
    round_to: int = 1,
    floor: float = 0.0,
    target: str = SPARSITY,
    sample: Callable[[int], Sample] | None = None,
    dense: nn.Module | None = None,
    cache: Path | None = None,
) -> Kept:
    """The channels that :func:`structured_prune_filters` keeps of each group. ``dense``: the network that sparsity and
    shares refer to, where ``model`` has lost channels of it in earlier cuts; ``cache``: a folder for layer times."""
    measure: Criterion = setting_function("structured", "criterion", criterion)
    channels = channels_of(model, example)
    latency = None
    if target != SPARSITY or allocation == "latency":
        latency = latency_model(dense or model, example, target, cache)
    return allocate(
        Costs.of(model, channels, example, latency),
        measure(model, channels, sample or _no_sample),
        Target.of(sparsity, dense or model, example, latency if target != SPARSITY else None),
        allocation=allocation,
        round_to=round_to,
        floor=floor,
    )


def latency_model(model: nn.Module, example: Tensor, target: str, cache: Path | None) -> LatencyModel:
    """What predicts the time of ``model`` with fewer channels on this machine, for the batch that ``target`` names."""
    times = times_for(target, next(model.parameters()).device, cache)
    return LatencyModel(model, channels_of(model, example), example, times)


def predicted_share(dense: nn.Module, model: nn.Module, target: str, cache: Path | None) -> float:
    """The share of the time of ``dense`` that ``model``, cut from it, is predicted to take on this machine."""
    example = example_of(dense)
    channels, shapes = channels_of(dense, example), layer_shapes(model)
    left = {name: channels.left_of(name, shapes) for name in channels.groups}
    return latency_model(dense, example, target, cache).share(left)


def _no_sample(n: int) -> Sample:
    raise InputError("The criterion taylor looks at pictures: give sample=(images, labels).")


def choose(model: nn.Module, sparsity: float, context: Context) -> Kept:
    """The channels of each group that stay by the settings of a run."""
    chosen = context.settings
    criterion, target = str(chosen["criterion"]), str(chosen["target"])
    round_to, floor = chosen["round_to"], chosen["floor"]
    assert isinstance(round_to, int)
    assert isinstance(floor, float)
    return choose_channels(
        model,
        sparsity,
        example_of(model),
        criterion=criterion,
        allocation=str(chosen["allocation"]),
        round_to=round_to,
        floor=floor,
        target=target,
        sample=context.sample,
        dense=context.dense,
        cache=context.cache,
    )


def prune(model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """The method as a run executes it."""
    kept, example = choose(model, sparsity, context), example_of(model)
    if context.settings["removal"] == "fold":
        return Pruned(fold(model, kept, context.seed, example))  # a merged channel is none of those that there were
    return Pruned(shrink(model, kept, example), kept=kept)
