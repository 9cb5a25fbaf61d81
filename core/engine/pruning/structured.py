"""Structured pruning (Li et al., ICLR 2017): whole filters are removed, and the network really becomes smaller.

Three questions are answered apart: what a channel is worth (channel_importance), which channels go (channel_allocation)
and how they are removed (shrink, fold).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from core.engine.networks.channels import channels_of
from core.engine.networks.layers import Network, example_of
from core.engine.pruning.base import Context, Pruned
from core.engine.pruning.channel_allocation import Costs, Target, allocate
from core.engine.pruning.channel_importance import Criterion, Sample
from core.engine.pruning.fold import fold
from core.engine.pruning.shrink import Kept, shrink
from core.spec.errors import InputError
from core.spec.methods import setting_function


def structured_prune_filters(
    model: Network,
    sparsity: float = 0.9,
    *,
    example_input: Tensor | None = None,
    criterion: str = "l1",
    allocation: str = "uniform",
    round_to: int = 1,
    floor: float = 0.0,
    sample: Sample | None = None,
) -> Network:
    """A smaller network: ``model`` without its least important filters, so many that the share ``sparsity`` of its
    prunable weights is gone, as closely as whole channels allow.

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
    sample: Callable[[int], Sample] | None = None,
    dense: nn.Module | None = None,
) -> Kept:
    """The channels that :func:`structured_prune_filters` keeps of each group. ``dense``: the network that sparsity and
    shares refer to, where ``model`` has lost channels of it in earlier cuts."""
    measure: Criterion = setting_function("structured", "criterion", criterion)
    channels = channels_of(model, example)
    return allocate(
        Costs.of(model, channels, example),
        measure(model, channels, sample or _no_sample),
        Target.of(sparsity, dense or model, example),
        allocation=allocation,
        round_to=round_to,
        floor=floor,
    )


def _no_sample(n: int) -> Sample:
    raise InputError("The criterion taylor looks at pictures: give sample=(images, labels).")


def choose(model: nn.Module, sparsity: float, context: Context) -> Kept:
    """The channels of each group that stay by the settings of a run."""
    chosen = context.settings
    criterion, round_to, floor = str(chosen["criterion"]), chosen["round_to"], chosen["floor"]
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
        sample=context.sample,
        dense=context.dense,
    )


def prune(model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """The method as a run executes it."""
    kept, example = choose(model, sparsity, context), example_of(model)
    if context.settings["removal"] == "fold":
        return Pruned(fold(model, kept, context.seed, example))  # a merged channel is none of those that there were
    return Pruned(shrink(model, kept, example), kept=kept)
