"""Presets: named recipes, from a minute on a laptop to the two hundred epochs of the original experiment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.i18n import N_, Message
from core.spec.errors import invalid_value
from core.spec.spec import FOLDER_PREFIX, Recipe, Schedule, check_data_name
from core.spec.validate import check_choice

SPARSITIES = (0.0, 0.3, 0.5, 0.7, 0.9, 0.95)
PROPOSED_SPARSITIES = (0.5, 0.7, 0.9)  # of a first study: few, and close enough for a line from each to the next
SEEDS = (42, 123, 456)


@dataclass(frozen=True, slots=True)
class Preset:
    """A recipe with a sentence on what it is for."""

    recipe: Recipe
    summary: str


def _preset(summary: str, name: str, data: str, width: int, epochs: tuple[int, int], *, batch: int = 128) -> Preset:
    train, finetune = Schedule(epochs[0], 0.1, batch), Schedule(epochs[1], 0.01, batch)
    return Preset(Recipe(name, data, width, train, finetune), summary)


_ENTRIES = (
    # Half the usual batch: on so few pictures the number of steps counts, and three epochs do what five would.
    _preset(
        N_("Drawn pictures, a thin network: a few minutes on any computer."), "demo", "synthetic", 8, (3, 1), batch=64
    ),
    _preset(N_("A thin network and few epochs: a first impression of real pictures."), "quick", "cifar10", 16, (12, 4)),
    _preset(
        N_("The full ResNet-18, long enough for results to trust. Wants a GPU."), "standard", "cifar10", 64, (80, 40)
    ),
    _preset(N_("The schedule of the original experiment. Wants a GPU."), "paper", "cifar10", 64, (200, 100)),
)
PRESETS: Mapping[str, Preset] = {preset.recipe.preset: preset for preset in _ENTRIES}


def find_preset(name: Any) -> Preset:
    """The preset called ``name``, else InputError with the names there are."""
    return PRESETS[check_choice("preset", name, PRESETS)]


def build_recipe(
    preset: str,
    *,
    data: str | None = None,
    width: int | None = None,
    epochs: int | None = None,
    finetune_epochs: int | None = None,
    batch_size: int | None = None,
) -> Recipe:
    """The recipe of ``preset`` with what is given put in its place; InputError for a value that is not accepted."""
    recipe = find_preset(preset).recipe
    assert recipe.finetune is not None
    batch = {} if batch_size is None else {"batch_size": batch_size}
    train = replace(recipe.train, **batch, **({} if epochs is None else {"epochs": epochs}))
    finetune = replace(recipe.finetune, **batch, **({} if finetune_epochs is None else {"epochs": finetune_epochs}))
    data, width = recipe.data if data is None else resolve_data(data), recipe.width if width is None else width
    return replace(recipe, data=data, width=width, train=train, finetune=finetune)


def resolve_data(data: str) -> str:
    """``data`` with the path of a folder made absolute, so that a spec means the same wherever it is read."""
    check_data_name(data)
    if not data.startswith(FOLDER_PREFIX):
        return data
    path = Path(os.path.abspath(os.path.expanduser(data[len(FOLDER_PREFIX) :].strip())))  # noqa: PTH100, PTH111 - never raises
    if not all(os.path.isdir(path / split) for split in ("train", "test")):  # noqa: PTH112 - never raises
        raise invalid_value(
            "data", data, Message("folder:PATH with a folder that exists and holds train/<class>/* and test/<class>/*")
        )
    return FOLDER_PREFIX + str(path)
