"""Structured pruning (Li et al., ICLR 2017): whole filters are removed, and the network really becomes smaller.

Three questions are answered apart: what a channel is worth (channel_importance), which channels go (channel_allocation)
and how they are removed (shrink, fold).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor

from core.engine.networks.resize import Network
from core.engine.networks.resnet18 import ResNet, Shape
from core.engine.pruning.any_network import prune_any_network
from core.engine.pruning.base import Context, Pruned
from core.engine.pruning.channel_allocation import allocate
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

    ``example_input``, pictures [n, C, H, W], is needed for a network of another class than our ResNet. ``sample``,
    pictures [n, 3, 32, 32] and labels [n], is what the criterion taylor looks at, which is for that only. For the rest see
    the registry of methods and ``choose``. ValueError for a sparsity outside [0, 1), for settings that do not exist, and,
    with the reason, for a network whose channels cannot be removed.
    """
    if not isinstance(model, ResNet):
        if example_input is None:
            raise InputError("A network that is not PruneScope's own is traced with pictures: give example_input.")
        shared = {"criterion": criterion, "allocation": allocation}
        return prune_any_network(model, sparsity, example_input, **shared, round_to=round_to, floor=floor)
    kept = choose_channels(
        model,
        sparsity,
        criterion=criterion,
        allocation=allocation,
        round_to=round_to,
        floor=floor,
        sample=(lambda n: sample) if sample and len(sample[1]) else None,
    )
    return cast("Network", shrink(model, kept))  # which is a ResNet here


def choose_channels(
    model: ResNet,
    sparsity: float,
    *,
    criterion: str = "l1",
    allocation: str = "uniform",
    round_to: int = 1,
    floor: float = 0.0,
    sample: Callable[[int], Sample] | None = None,
    dense: Shape | None = None,
) -> Kept:
    """The channels that :func:`structured_prune_filters` keeps of each group; ``dense`` as in :func:`allocate`."""
    measure: Criterion = setting_function("structured", "criterion", criterion)
    importance = measure(model, sample or _no_sample)
    return allocate(model, importance, sparsity, allocation=allocation, round_to=round_to, floor=floor, dense=dense)


def _no_sample(n: int) -> Sample:
    raise InputError("The criterion taylor looks at pictures: give sample=(images, labels).")


def choose(model: ResNet, sparsity: float, context: Context) -> Kept:
    """The channels of each group that stay by the settings of a run."""
    chosen = context.settings
    criterion, round_to, floor = str(chosen["criterion"]), chosen["round_to"], chosen["floor"]
    assert isinstance(round_to, int)
    assert isinstance(floor, float)
    return choose_channels(
        model,
        sparsity,
        criterion=criterion,
        allocation=str(chosen["allocation"]),
        round_to=round_to,
        floor=floor,
        sample=context.sample,
        dense=context.dense,
    )


def prune(model: ResNet, sparsity: float, context: Context) -> Pruned:
    """The method as a run executes it."""
    kept = choose(model, sparsity, context)
    if context.settings["removal"] == "fold":
        return Pruned(fold(model, kept, context.seed))  # a merged channel is none of those that there were
    return Pruned(shrink(model, kept), kept=kept)
