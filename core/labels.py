"""How recipes, methods, runs, states and durations are called."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from core.i18n import t
from core.runs.folder import State
from core.spec.method import Scalar
from core.spec.methods import DENSE, METHODS, describe_settings, method_label
from core.spec.spec import COMPUTE, Recipe, RunSpec
from core.spec.training_plan import MAX_EPOCHS

if TYPE_CHECKING:
    import pandas as pd

Settings = Iterable[tuple[str, Scalar]]


def recipe_name(recipe: Recipe) -> str:
    """A recipe in a few words, as Recipe.label in English."""
    return recipe.describe(t)


def method_name(method: str) -> str:
    """A method; another language than English adds the English name in brackets."""
    label = method_label(method)
    name = t(label)
    return name if name == label else f"{name} ({label})"


def variant_name(method: str, settings: Settings = ()) -> str:
    """A method and those of its settings that are not the default, as ``variant_label`` in English."""
    return _with_settings(method_name(method), method, settings)


def short_variant_name(method: str, settings: Settings = ()) -> str:
    """The same without the name in brackets: for a column of a table."""
    return _with_settings(t(method_label(method)), method, settings)


def variant_names(rows: pd.DataFrame, name: Callable[[str, Settings], str] = variant_name) -> dict[str, str]:
    """What to call each variant in ``rows`` of results, by its label there."""
    variants = rows.drop_duplicates("variant")
    return {
        label: name(method, settings)
        for label, method, settings in zip(variants["variant"], variants["method"], variants["settings"], strict=True)
    }


def _with_settings(name: str, method: str, settings: Settings) -> str:
    published, changed = describe_settings(method, dict(settings))
    parts = [*map(t, filter(None, [published])), *(setting.describe(value, t) for setting, value in changed)]
    return t("{method} ({settings})", method=name, settings=", ".join(parts)) if parts else name


def value_name(value: Scalar) -> str:
    """A setting's value; what is a name of the field, such as l1, is the same in every language."""
    return t(str(value))


def run_name(spec: RunSpec) -> str:
    """A run in a few words, as its label in English."""
    return _run_name(spec.method, spec.settings, spec.sparsity, spec.seed)


def measured_name(row: Mapping[str, Any]) -> str:
    """The same of a run that is known by its row in the results."""
    return _run_name(row["method"], row["settings"], row["sparsity"], row["seed"])


def _run_name(method: str, settings: Settings, sparsity: float, seed: int) -> str:
    name = variant_name(method, settings)
    if method == DENSE:
        return t("{variant}, seed {seed}", variant=name, seed=seed)
    return t("{variant} {sparsity:g}, seed {seed}", variant=name, sparsity=sparsity, seed=seed)


def training_name(spec: RunSpec, epochs: str | None = None) -> str:
    """The epochs of training behind a run; those of its dense run count if its weights or its mask come from there.
    ``epochs`` that it had itself, where that is known."""
    own, dense = epochs or planned_epochs(spec), spec.dense_epochs
    if spec.recipe.imported:
        return t("imported weights") if spec.is_dense else t("imported weights, then epochs: {own}", own=own)
    if spec.is_dense:
        return t("epochs: {own}", own=own)
    if not dense:
        return t("epochs: {own}, from untrained weights", own=own)
    if METHODS[spec.method].restarts:
        return t("epochs: {dense} dense, for the mask, + {own} after pruning", dense=dense, own=own)
    return t("epochs: {dense} dense + {own} after pruning", dense=dense, own=own)


def planned_epochs(spec: RunSpec) -> str:
    """The epochs of its own training, which may be more where the budget is computation."""
    epochs = spec.own_epochs
    grows = spec.recipe.budget == COMPUTE and METHODS[spec.method].kind == "structured"
    return t("{low} to {high}", low=epochs, high=MAX_EPOCHS * epochs) if grows else f"{epochs}"


def state_name(state: State) -> str:
    """A run's state within a sentence."""
    return t(state.value)


def duration(seconds: float) -> str:
    """A duration as a person would say it."""
    if not math.isfinite(seconds):
        return t("an unknown time")
    if seconds < 90:
        return t("{n} seconds", n=max(5, round(seconds / 5) * 5))
    if seconds < 90 * 60:
        return t("{n} minutes", n=round(seconds / 60))
    if seconds < 36 * 3600:
        return t("{n} hours", n=f"{seconds / 3600:.1f}".removesuffix(".0"))
    return t("{n} days", n=f"{seconds / 86400:.1f}".removesuffix(".0"))
