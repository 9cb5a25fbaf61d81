"""How recipes, methods, runs, states and durations are called."""

from __future__ import annotations

import math
import re

from core.i18n import t
from core.runs.folder import State
from core.spec.methods import DENSE, METHODS, Scalar, variant_label
from core.spec.spec import RunSpec

_DENSE = variant_label(DENSE, {})
_METHODS = {method.label: method for method in METHODS.values()}
_COUNT = re.compile(r"width (?P<width>\d+)|(?P<epochs>[\d+]+) epochs|batch (?P<batch>\d+)|folder (?P<folder>.+)")


def recipe_name(label: str) -> str:
    """A recipe that results call ``label``."""
    preset, *parts = label.split(" · ")
    return " · ".join([preset, *(_recipe_part(part) for part in parts)])


def _recipe_part(part: str) -> str:
    if part == "synthetic":
        return t("synthetic")
    found = _COUNT.fullmatch(part)
    if not found:
        return part
    return {
        "width": t("width {n}", n=found["width"]),
        "epochs": t("{n} epochs", n=found["epochs"]),
        "batch": t("batch {n}", n=found["batch"]),
        "folder": t("folder {name}", name=found["folder"]),
    }[str(found.lastgroup)]


def variant_name(variant: str) -> str:
    """A method with its settings that results call ``variant``."""
    if variant == _DENSE:
        return t("Dense")
    label, _, settings = variant.removesuffix(")").partition(" (")
    method = _METHODS.get(label)
    if method is None:
        return variant
    if not settings:
        return t(method.label)
    return t(
        "{method} ({settings})",
        method=t(method.label),
        settings=", ".join(_setting_in_a_name(setting) for setting in settings.split(", ")),
    )


def short_variant_name(variant: str) -> str:
    """The same without the English name in brackets that other languages add: for a column of a table."""
    label = variant.partition(" (")[0]
    return variant_name(variant).replace(f" ({label})", "", 1)


def _setting_in_a_name(setting: str) -> str:
    name, _, value = setting.rpartition(" ")
    called = {
        "allocation": t("allocation"),
        "criterion": t("criterion"),
        "floor": t("floor"),
        "retraining": t("retraining"),
        "rewind epoch": t("rewind epoch"),
        "round to": t("round to"),
        "rounds": t("rounds"),
        "schedule": t("schedule"),
    }.get(name, name)
    return f"{called} {value_name(value)}"


def value_name(value: Scalar) -> str:
    """A setting's value; what is a name of the field, such as l1, is the same in every language."""
    called = {
        "cost": t("cost"),
        "fine-tuning": t("fine-tuning"),
        "global": t("global"),
        "gradual": t("gradual"),
        "iterative": t("iterative"),
        "lr-rewinding": t("lr-rewinding"),
        "one-shot": t("one-shot"),
        "uniform": t("uniform"),
    }
    return called.get(str(value), str(value))


def run_name(spec: RunSpec) -> str:
    """A run in a few words: its label, in other languages too."""
    return measured_name(spec.variant, spec.sparsity, spec.seed)


def measured_name(variant: str, sparsity: float, seed: int) -> str:
    """The same of a run that is known by its row in the results."""
    name = variant_name(variant)
    if variant == _DENSE:
        return t("{variant}, seed {seed}", variant=name, seed=seed)
    return t("{variant} {sparsity:g}, seed {seed}", variant=name, sparsity=sparsity, seed=seed)


def state_name(state: State) -> str:
    """A run's state within a sentence."""
    return {
        State.QUEUED: t("queued"),
        State.RUNNING: t("running"),
        State.CANCELLING: t("cancelling"),
        State.CANCELLED: t("cancelled"),
        State.INTERRUPTED: t("interrupted"),
        State.FAILED: t("failed"),
        State.DONE: t("done"),
    }[state]


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
