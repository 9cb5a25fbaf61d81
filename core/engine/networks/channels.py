"""Which channels of a network can be removed, and what goes with each: found by following channels through its operations.

Works on any classifier that ``torch.export`` can trace. Every element of every activation carries a label: the channel that
it belongs to. Operations that only move elements are applied to the labels themselves, so that reshaping, concatenation and
slicing come out right by construction; operations that combine activations tie their channels together. What is not known
here keeps its channels, and the network is pruned elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.engine.networks.follow import Tracer
from core.engine.networks.labels import FIXED
from core.spec.errors import InputError, first_line

if TYPE_CHECKING:
    from torch.export import ExportedProgram

STAYS = -1  # in place of a channel: this position is never removed


@dataclass(frozen=True, slots=True)
class Axis:
    """A dimension of a parameter or buffer whose positions belong to channels: ``channels`` int64, or STAYS."""

    tensor: str
    dim: int
    channels: Tensor


@dataclass(frozen=True, slots=True)
class Channels:
    """The removable channels of a network, numbered; ``groups`` of them that the same layers read and write, each by the
    name of the first layer that writes it; and the ``axes`` from which they would have to go. ``kept_whole``: layers whose
    channels have to stay, and the operation because of which."""

    groups: Mapping[str, Tensor]
    axes: tuple[Axis, ...]
    kept_whole: Mapping[str, str]


def find_channels(model: nn.Module, example: Tensor) -> Channels:
    """The removable channels of ``model``, whose input is like ``example`` (one picture is looked at). InputError if it
    cannot be traced or nothing of it can be removed, with the layer and the operation that prevents it."""
    tracer = Tracer()
    tracer.run(_export(model, example[:1], training=False))
    if not tracer.knows(name for name, _ in model.named_parameters()):
        # What is used in training only, as auxiliary classifiers, reads channels, too. BatchNorm wants several pictures.
        tracer.run(_export(model, example[:1].repeat(2, 1, 1, 1), training=True))
    channels = _collect(tracer, [name for name, _ in model.named_parameters()])
    if not channels.groups:
        layer, operation = next(iter(channels.kept_whole.items()), ("it", "no layer"))
        raise InputError(
            "No channel of the network can be removed: {operation} keeps those of {layer}.",
            operation=operation,
            layer=layer,
        )
    return channels


def _export(model: nn.Module, example: Tensor, *, training: bool) -> ExportedProgram:
    from torch.export import export  # noqa: PLC0415 - takes half a second, and our own network does without

    copy = deepcopy(model).train(training)
    try:
        with torch.no_grad():
            return export(copy, (example,))
    # Whatever a foreign module raises while its code is executed with stand-ins for tensors.
    except Exception as error:
        raise InputError("The network cannot be traced: {reason}.", reason=first_line(error).rstrip(".")) from None


def _collect(tracer: Tracer, parameters: list[str]) -> Channels:
    """Number the channels that ``tracer`` met, and group those that are written and read in the same places."""
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


def _groups(alike: Mapping[tuple[tuple[str, int, int], ...], list[int]], parameters: list[str]) -> dict[str, Tensor]:
    """By the name of the first layer that writes the channels, in the order of ``parameters``."""
    first = {
        key: min(parameters.index(name) for name, dim, _ in key if name in parameters and (dim == 0 or len(key) == 1))
        for key in alike
    }
    groups: dict[str, Tensor] = {}
    for key in sorted(alike, key=first.__getitem__):
        name = parameters[first[key]].rpartition(".")[0]
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
