"""Presets: named recipes, from a minute on a laptop to the two hundred epochs of the original experiment."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from core.i18n import N_, Message
from core.spec.datasets import FOLDER_PREFIX, check_data_name, folder_of, in_folder
from core.spec.errors import invalid_value, os_reason
from core.spec.networks import NETWORKS, NO_WIDTH, External, resolve_network
from core.spec.spec import COMPUTE, TRIANGULAR, Recipe, Schedule
from core.spec.validate import check_choice

T = TypeVar("T", Recipe, Schedule)

SPARSITIES = (0.0, 0.3, 0.5, 0.7, 0.9, 0.95)
PROPOSED_SPARSITIES = (0.5, 0.7, 0.9)  # of a first study: few, and close enough for a line from each to the next
SEEDS = (42, 123, 456)


@dataclass(frozen=True, slots=True)
class Preset:
    """A recipe with a sentence on what it is for."""

    recipe: Recipe
    summary: str


# The usual schedule of the field's papers; fine-tuning at a tenth of the learning rate.
_DENSE, _FINETUNE = partial(Schedule, lr=0.1), partial(Schedule, lr=0.01)
# In few epochs, one cycle up to half of the learning rate recovers more (docs/methods.md).
_RECOVER = partial(Schedule, lr=0.05, decay=TRIANGULAR, nesterov=True)
# One cycle of a large learning rate (cifar10-airbench's baselines of ResNet-18).
_ONE_CYCLE = partial(Schedule, batch_size=500, decay=TRIANGULAR, nesterov=True, cutout=12)
_ENTRIES = (
    # Half the usual batch: on so few pictures the number of steps counts, and three epochs do what five would.
    Preset(
        Recipe("demo", "synthetic", 8, _DENSE(3, batch_size=64, nesterov=True), _RECOVER(1, batch_size=64)),
        N_("Drawn pictures, a thin network: a few minutes on any computer."),
    ),
    Preset(
        Recipe("quick", "cifar10", 16, _DENSE(12, nesterov=True), _RECOVER(4), budget=COMPUTE),
        N_("A thin network and few epochs: a first impression of real pictures."),
    ),
    Preset(
        Recipe("short", "cifar10", 64, _ONE_CYCLE(26, 1.0), _ONE_CYCLE(13, 0.5), budget=COMPUTE),
        N_("The full ResNet-18 in few epochs at a large learning rate. Wants a GPU."),
    ),
    Preset(
        Recipe("standard", "cifar10", 64, _DENSE(80), _FINETUNE(40)),
        N_("The full ResNet-18, long enough for results to trust. Wants a GPU."),
    ),
    Preset(
        Recipe("paper", "cifar10", 64, _DENSE(200), _FINETUNE(100)),
        N_("The schedule of the original experiment. Wants a GPU."),
    ),
)
PRESETS: Mapping[str, Preset] = {preset.recipe.preset: preset for preset in _ENTRIES}


def find_preset(name: Any) -> Preset:
    """The preset called ``name``, else InputError with the names there are."""
    return PRESETS[check_choice("preset", name, PRESETS)]


def build_recipe(
    preset: str,
    *,
    data: str | None = None,
    size: int | None = None,
    network: str | None = None,
    weights_sha256: str | None = None,
    width: int | None = None,
    precision: str | None = None,
    budget: str | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    decay: str | None = None,
    warmup: int | None = None,
    finetune_epochs: int | None = None,
    finetune_lr: float | None = None,
    finetune_decay: str | None = None,
    finetune_warmup: int | None = None,
    batch_size: int | None = None,
    nesterov: bool | None = None,
    label_smoothing: float | None = None,
    cutout: int | None = None,
) -> Recipe:
    """The recipe of ``preset`` with what is given put in its place; InputError for a value that is not accepted."""
    recipe = find_preset(preset).recipe
    assert recipe.finetune is not None
    both = {"batch_size": batch_size, "nesterov": nesterov, "label_smoothing": label_smoothing, "cutout": cutout}
    return _with(
        recipe,
        data=data if data is None else resolve_data(data),
        size=size,
        **({"width": width} if network is None else _network(recipe, network, width)),
        weights_sha256=weights_sha256,
        precision=precision,
        budget=budget,
        train=_with(recipe.train, epochs=epochs, lr=lr, decay=decay, warmup=warmup, **both),
        finetune=_with(
            recipe.finetune,
            epochs=finetune_epochs,
            lr=finetune_lr,
            decay=finetune_decay,
            warmup=finetune_warmup,
            **both,
        ),
    )


def _network(recipe: Recipe, network: str, width: int | None) -> dict[str, Any]:
    """The fields of ``recipe`` that change with ``network``; InputError for a file that cannot be read."""
    name = resolve_network(network)
    external = External.parse(name)
    fields: dict[str, Any] = {"network": name, "width": default_width(recipe, name) if width is None else width}
    if external and external.path:
        try:
            fields["network_sha256"] = hashlib.sha256(external.path.read_bytes()).hexdigest()
        except OSError as error:
            accepted = Message("a Python file that can be read ({reason})", reason=os_reason(error))
            raise invalid_value("network", network, accepted) from None
    return fields


def default_width(recipe: Recipe, network: str) -> int:
    """The width of ``network`` where a recipe for another is used: that of the recipe, at most the full width; none of a
    network from elsewhere."""
    if network == recipe.network:
        return recipe.width
    return min(recipe.width, NETWORKS[network].full_width) if network in NETWORKS else NO_WIDTH


def _with(record: T, **given: Any) -> T:
    """``record`` with what is not None of ``given`` in place."""
    return replace(record, **{name: value for name, value in given.items() if value is not None})


def resolve_data(data: str) -> str:
    """``data`` with the path of a folder made absolute, so that a spec means the same wherever it is read."""
    check_data_name(data)
    if not in_folder(data):
        return data
    path = Path(os.path.abspath(os.path.expanduser(folder_of(data))))  # noqa: PTH100, PTH111 - never raises
    if not os.path.isdir(path):  # noqa: PTH112 - never raises
        raise invalid_value("data", data, Message("folder:PATH with a folder that exists"))
    return FOLDER_PREFIX + str(path)
