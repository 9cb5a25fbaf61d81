"""Axes and tooltips that several charts share."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from core.i18n import N_, t
from core.results.metrics import METRICS

TOOLTIP_FIELDS = (
    "sparsity",
    "reached_sparsity",
    "seed",
    "test_accuracy",
    "model_size_mb",
    "inference_latency_ms",
    "batch_latency_ms",
)
_PLAIN = {"sparsity": (N_("Requested sparsity"), "~g"), "seed": (N_("Seed"), "d")}


def flat_axis(title: str, **options: Any) -> alt.Axis:
    """A y axis whose title lies flat above it: readable, and it costs no width on a phone."""
    return alt.Axis(title=title, titleAngle=0, titleAlign="left", titleAnchor="start", titleX=0, titleY=-14, **options)


def variant_tooltip() -> alt.Tooltip:
    return alt.Tooltip("variant:N", title=t("Method"))


def run_notes(runs: pd.DataFrame) -> pd.DataFrame:
    """``runs`` with the column ``note`` of :func:`run_tooltip`."""
    return runs.assign(note=runs["at_chance"].map({True: t("at chance level"), False: "—"}))


def run_tooltip(runs: pd.DataFrame) -> list[alt.Tooltip]:
    """The method of one of ``runs`` and its numbers, each of TOOLTIP_FIELDS with its name and form; the note, if any of
    them has one."""
    metrics = {name: (m.title or m.label, f".{m.digits}f") for name, m in METRICS.items()}
    named = [(name, *(_PLAIN.get(name) or metrics[name])) for name in TOOLTIP_FIELDS]
    numbers = (alt.Tooltip(f"{name}:Q", title=t(title), format=form) for name, title, form in named)
    notes = [alt.Tooltip("note:N", title=t("Note"))] if runs["at_chance"].any() else []
    return [variant_tooltip(), *numbers, *notes]


def range_tooltip() -> list[alt.Tooltip]:
    """The numbers of the runs of one configuration, where there are too many runs to draw each."""
    names = {
        "sparsity": t("Requested sparsity"),
        "n": t("Seeds"),
        "mean": t("Mean"),
        "low": t("Lowest"),
        "high": t("Highest"),
    }
    return [variant_tooltip(), *(alt.Tooltip(f"{name}:Q", title=title, format=".4~g") for name, title in names.items())]


def at_chance_labels(means: pd.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Words beside those of ``means`` with a run at chance level; no layer where there is none."""
    dead = means[means["at_chance"] > 0]
    words = alt.Chart(dead).mark_text(
        text=t("at chance level"), align="right", dx=-9, dy=9, fontSize=11, color="#808080", tooltip=None
    )
    return [] if dead.empty else [words.encode(x, y)]
