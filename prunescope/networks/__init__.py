"""The networks that there are, one a file: ``build(width, classes)`` in each makes one, with PyTorch's initial weights."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from torch import nn

NAMES = tuple(sorted(module.name for module in iter_modules(__path__)))
MAX_WIDTH, MAX_CLASSES = 512, 4096  # more can only come from a malicious file


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a network was built as, before it was pruned."""

    network: str
    width: int
    classes: int


def build(network: str, width: int, classes: int) -> nn.Module:
    """A fresh ``network`` of NAMES; ValueError for another name or a size out of bounds."""
    if network not in NAMES:
        raise ValueError(f"The network {network!r:.40} is not known: {', '.join(NAMES)}.")
    if not (type(width) is int and 1 <= width <= MAX_WIDTH and type(classes) is int and 1 <= classes <= MAX_CLASSES):
        raise ValueError(f"A network has a width of 1 to {MAX_WIDTH} and 1 to {MAX_CLASSES} classes.")
    model: nn.Module = import_module(f"{__name__}.{network}").build(width, classes)
    model.blueprint = Blueprint(network, width, classes)  # type: ignore[assignment] # a plain attribute
    return model


def blueprint_of(model: nn.Module) -> Blueprint | None:
    """What :func:`build` made ``model`` as; None for a network from elsewhere."""
    found = getattr(model, "blueprint", None)
    return found if isinstance(found, Blueprint) else None
