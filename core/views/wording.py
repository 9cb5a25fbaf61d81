"""How runs, states, phases and durations are called."""

from __future__ import annotations

import math

from core.study.record import State
from core.study.spec import RunSpec
from core.views.words import Translate, english


def run_name(spec: RunSpec, t: Translate = english) -> str:
    """A run in a few words: its label, in other languages too."""
    if spec.is_dense:
        return t("{variant}, seed {seed}", variant=spec.variant, seed=spec.seed)
    return t("{variant} {sparsity:g}, seed {seed}", variant=spec.variant, sparsity=spec.sparsity, seed=spec.seed)


def state_name(state: State, t: Translate = english) -> str:
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


def phase_name(phase: str, t: Translate = english) -> str:
    """What a run is at; a phase of another kind, such as the preparing of data, tells of itself."""
    return {"train": t("Training"), "finetune": t("Fine-tuning"), "measure": t("Measuring")}.get(phase, phase)


def duration(seconds: float, t: Translate = english) -> str:
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
