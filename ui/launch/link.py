"""A link to Launch that chooses one point of a study there: its recipe, variant and seeds, at another sparsity."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from core.runs.imports import hash_weights
from core.spec.datasets import FOLDER_PREFIX, folder_of, in_folder
from core.spec.errors import InputError
from core.spec.methods import DENSE, METHODS
from core.spec.spec import Recipe
from ui.launch.advanced import CLASSICAL, NESTEROV
from ui.launch.grid import pills_name
from ui.launch.offered import offered_networks, offered_weights


def launch_query(runs: pd.DataFrame, variant: str, sparsity: float) -> dict[str, Any] | None:
    """What the link says for ``variant``, one of those in the study ``runs``, at ``sparsity``; None if Launch does not offer
    its network or weights."""
    own = runs[runs["variant"] == variant].iloc[0]
    recipe: Recipe = own["recipe_spec"]
    weights = next((name for name, file in offered_weights().items() if _is_imported(file, recipe)), None)
    if recipe.network not in offered_networks() or (recipe.imported and weights is None):
        return None
    method, values = METHODS[own["method"]], dict(own["settings"])
    selected = {
        pills_name(other.group): [method.name] if other.group == method.group else [] for other in METHODS.values()
    }
    settings = [setting.name for setting in method.settings if setting.matters(values)]
    seeds = runs.loc[(runs["method"] == DENSE) | (runs["variant"] == variant), "seed"]
    return {
        **_recipe_query(recipe),
        **({"weights": weights} if weights else {}),
        **selected,
        **{f"{method.name}.{name}": str(values[name]) for name in settings},
        "sparsities": [f"{sparsity:g}"],
        "seeds": [str(seed) for seed in sorted(seeds.unique())],
    }


def _is_imported(file: Path, recipe: Recipe) -> bool:
    with suppress(InputError):  # a file that cannot be read
        return recipe.imported and hash_weights(file) == recipe.weights_sha256
    return False


def _recipe_query(recipe: Recipe) -> dict[str, Any]:
    assert recipe.finetune is not None  # a pruned run has one
    own = in_folder(recipe.data)
    return {
        "preset": recipe.preset,
        "data": FOLDER_PREFIX if own else recipe.data,
        **({"folder": folder_of(recipe.data), "size": recipe.size} if own else {}),
        "network": recipe.network,
        **({"width": recipe.width} if recipe.width else {}),
        "precision": recipe.precision,
        "epochs": recipe.train.epochs,
        "finetune": recipe.finetune.epochs,
        "batch": recipe.train.batch_size,
        "lr": recipe.train.lr,
        "decay": recipe.train.decay,
        "warmup": recipe.train.warmup,
        "finetune_lr": recipe.finetune.lr,
        "finetune_decay": recipe.finetune.decay,
        "finetune_warmup": recipe.finetune.warmup,
        "momentum": NESTEROV if recipe.train.nesterov else CLASSICAL,
        "label_smoothing": recipe.train.label_smoothing,
        "cutout": recipe.train.cutout,
        "budget": recipe.budget,
    }
