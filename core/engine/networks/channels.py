"""Which channels of a network can be removed, and what goes with each: found by following channels through its operations.

Works on any classifier that ``torch.export`` can trace. Every element of every activation carries a label: the channel that
it belongs to. Operations that only move elements are applied to the labels themselves, so that reshaping, concatenation and
slicing come out right by construction; operations that combine activations tie their channels together. What is not known
here keeps its channels, and the network is pruned elsewhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.engine.networks.build import in_registry
from core.engine.networks.follow import Tracer
from core.engine.networks.labels import FIXED
from core.spec.errors import InputError, first_line
from prunescope.networks import blueprint_of

if TYPE_CHECKING:
    from torch.export import ExportedProgram

STAYS = -1  # in place of a channel: this position is never removed


@dataclass(frozen=True, slots=True)
class Axis:
    """A dimension of a parameter or buffer whose positions belong to channels: ``channels`` int64, or STAYS."""

    tensor: str
    dim: int
    channels: Tensor

    def positions(self, keep: Tensor) -> Tensor:
        """The positions (int64) that stay with the channels for which ``keep`` (bool) is true."""
        return ((self.channels == STAYS) | keep[self.channels.clamp_min(0)]).nonzero().flatten()


@dataclass(frozen=True, slots=True)
class Channels:
    """The removable channels of a network, numbered; ``groups`` of them that the same layers read and write, each by the
    name of the first layer that writes it; and the ``axes`` from which they would have to go. ``kept_whole``: layers whose
    channels have to stay, and the operation because of which."""

    groups: Mapping[str, Tensor]
    axes: tuple[Axis, ...]
    kept_whole: Mapping[str, str]
    _by_place: dict[tuple[str, int], Axis] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_place", {(axis.tensor, axis.dim): axis for axis in self.axes})

    @property
    def sizes(self) -> dict[str, int]:
        """How many channels each group has."""
        return {name: len(group) for name, group in self.groups.items()}

    @property
    def total(self) -> int:
        return sum(self.sizes.values())

    def axis(self, tensor: str, dim: int) -> Axis | None:
        """Dimension ``dim`` of ``tensor``, if any of its positions belongs to a channel."""
        return self._by_place.get((tensor, dim))

    def counts(self, tensor: str, dim: int) -> dict[str, int]:
        """How many positions each channel of a group has along dimension ``dim`` of ``tensor``, for all groups there."""
        axis = self.axis(tensor, dim)
        if axis is None:
            return {}
        positions = torch.bincount(axis.channels[axis.channels != STAYS], minlength=self.total)
        return {name: n for name, group in self.groups.items() if (n := int(positions[group[0]]))}

    def group_along(self, tensor: str, dim: int) -> str | None:
        """The group whose channels are the positions along ``dim`` of ``tensor``, one by one and in order; None if they are
        anything else."""
        axis, counts = self.axis(tensor, dim), self.counts(tensor, dim)
        if axis is None or len(counts) != 1:
            return None
        (name,) = counts
        return name if torch.equal(axis.channels, self.groups[name]) else None

    def after_cut(self, keep: Tensor) -> Channels:
        """The channels of the network that has only those for which ``keep`` (bool) is true; each group has one at least."""
        numbers = torch.where(keep, keep.cumsum(0) - 1, STAYS)
        groups = {name: numbers[group[keep[group]]] for name, group in self.groups.items()}
        axes = []
        for axis in self.axes:
            left = axis.channels[axis.positions(keep)]
            axes.append(Axis(axis.tensor, axis.dim, torch.where(left == STAYS, STAYS, numbers[left])))
        return Channels(groups, tuple(axes), self.kept_whole)

    def left_of(self, group: str, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """How many channels of ``group`` a smaller network has whose layers have weights of ``shapes``: what a layer shows
        that writes this group and no other. ValueError where none does."""
        for layer, shape in shapes.items():
            axis, counts = self.axis(f"{layer}.weight", 0), self.counts(f"{layer}.weight", 0)
            if axis is not None and counts.keys() == {group}:
                return (shape[0] - int((axis.channels == STAYS).sum())) // counts[group]
        raise ValueError(f"no layer shows how many channels of {group} there are")


_known: WeakKeyDictionary[nn.Module, tuple[Hashable, Channels]] = WeakKeyDictionary()
_known_by_blueprint: dict[Hashable, Channels] = {}


def channels_of(model: nn.Module, example: Tensor) -> Channels:
    """As :func:`find_channels`, which takes half a second, once for a network as it is, and for all of the registry that are
    alike."""
    sizes: Hashable = (tuple(tensor.shape for tensor in model.parameters()), example.shape[1:])
    if in_registry(model):
        key = (type(model), blueprint_of(model), sizes)
        if key not in _known_by_blueprint:
            _known_by_blueprint[key] = find_channels(model, example)
        return _known_by_blueprint[key]
    if model not in _known or _known[model][0] != sizes:
        _known[model] = sizes, find_channels(model, example)
    return _known[model][1]


def find_channels(model: nn.Module, example: Tensor) -> Channels:
    """The removable channels of ``model``, whose input is like ``example`` (one picture is looked at). InputError if it
    cannot be traced or nothing of it can be removed, with the layer and the operation that prevents it."""
    tracer, names = Tracer(), _first_names(model)
    tracer.run(_export(model, example[:1], training=False), names)
    if not tracer.knows(name for name, _ in model.named_parameters()):
        # What is used in training only, as auxiliary classifiers, reads channels, too. BatchNorm wants several pictures.
        tracer.run(_export(model, example[:1].repeat(2, 1, 1, 1), training=True), names)
    channels = _collect(tracer, {name: parameter.dim() for name, parameter in model.named_parameters()})
    if not channels.groups:
        layer, operation = next(iter(channels.kept_whole.items()), ("it", (*tracer.unknown, "its class")[0]))
        raise InputError(
            "No channel of the network can be removed: {operation} keeps those of {layer}.",
            operation=operation,
            layer=layer,
        )
    return channels


def _first_names(model: nn.Module) -> dict[str, str]:
    """For each name of a parameter or buffer the first one of the same tensor."""
    first: dict[Tensor, str] = {}
    every = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    return {name: first.setdefault(tensor, name) for name, tensor in every}


def _export(model: nn.Module, example: Tensor, *, training: bool) -> ExportedProgram:
    from torch.export import export  # noqa: PLC0415 - takes half a second, and our own network does without

    copy = deepcopy(model).train(training)
    try:
        with torch.no_grad():
            return export(copy, (example,))
    # Whatever a foreign module raises while its code is executed with stand-ins for tensors.
    except Exception as error:
        raise InputError("The network cannot be traced: {reason}.", reason=first_line(error).rstrip(".")) from None


def _collect(tracer: Tracer, parameters: Mapping[str, int]) -> Channels:
    """Number the channels that ``tracer`` met, and group those that are written and read in the same places; ``parameters``
    have so many dimensions."""
    roots = {place: tracer.ties.roots(labels) for place, labels in tracer.axes.items()}
    places: dict[int, list[tuple[str, int, int]]] = {}  # by label: tensor, dimension, how many positions
    for (name, dim), labels in roots.items():
        for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
            if label > FIXED:
                places.setdefault(int(label), []).append((name, dim, int(count)))
    numbers = {label: number for number, label in enumerate(places)}
    alike: dict[tuple[tuple[str, int, int], ...], list[int]] = {}
    for label, found in places.items():
        alike.setdefault(tuple(sorted(found)), []).append(numbers[label])
    axes = (
        Axis(name, dim, torch.tensor([numbers.get(int(label), STAYS) for label in labels]))
        for (name, dim), labels in roots.items()
        if (labels > FIXED).any()
    )
    return Channels(_groups(alike, parameters), tuple(axes), _kept_whole(tracer, roots))


def _groups(
    alike: Mapping[tuple[tuple[str, int, int], ...], list[int]], parameters: Mapping[str, int]
) -> dict[str, Tensor]:
    """By the name of the first layer that writes the channels, in the order of ``parameters``: where steps of an allocation
    are equal, that is their order."""
    names = list(parameters)
    first = {
        key: min(names.index(name) for name, dim, _ in key if name in parameters and (dim == 0 or len(key) == 1))
        for key in alike
    }
    groups: dict[str, Tensor] = {}
    for key in sorted(alike, key=first.__getitem__):
        tensor = names[first[key]]
        name = tensor.rpartition(".")[0] or tensor
        same = sum(other.partition("#")[0] == name for other in groups)
        groups[f"{name}#{same + 1}" if same else name] = torch.tensor(alike[key])
    return groups


def _kept_whole(tracer: Tracer, roots: Mapping[tuple[str, int], NDArray[np.int64]]) -> dict[str, str]:
    why: dict[str, str] = {}
    reasons = tracer.ties.reasons
    for (name, dim), labels in roots.items():
        if dim == 0 and (labels == FIXED).all():
            own = tracer.axes[name, dim].tolist()
            why.setdefault(
                name.rpartition(".")[0], next((reasons[label] for label in own if label in reasons), "a tie")
            )
    return why
