"""What a point of a chart says when it is pointed at."""

from __future__ import annotations

import altair as alt

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


def run_tooltip() -> list[alt.Tooltip]:
    """The numbers of one run, each of TOOLTIP_FIELDS with its name and form."""
    metrics = {name: (m.title or m.label, f".{m.digits}f") for name, m in METRICS.items()}
    named = [(name, *(_PLAIN.get(name) or metrics[name])) for name in TOOLTIP_FIELDS]
    return [alt.Tooltip(f"{name}:Q", title=t(title), format=form) for name, title, form in named]


def range_tooltip() -> list[alt.Tooltip]:
    """The numbers of the runs of one configuration, where there are too many runs to draw each."""
    names = {"sparsity": t("Requested sparsity"), "seeds": t("Seeds"), "mean": t("Mean"), "low": t("Lowest")}
    return [
        alt.Tooltip(f"{field}:Q", title=title, format=".4~g")
        for field, title in {**names, "high": t("Highest")}.items()
    ]
