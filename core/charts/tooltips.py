"""What a point of a chart says when it is pointed at."""

from __future__ import annotations

import altair as alt

from core.i18n import t

TOOLTIP_FIELDS = (
    "sparsity",
    "reached_sparsity",
    "seed",
    "test_accuracy",
    "model_size_mb",
    "inference_latency_ms",
    "batch_latency_ms",
)


def run_tooltip() -> list[alt.Tooltip]:
    """The numbers of one run, each of TOOLTIP_FIELDS with its name and form."""
    names = {
        "sparsity": (t("Requested sparsity"), "~g"),
        "reached_sparsity": (t("Reached sparsity"), ".4~f"),
        "seed": (t("Seed"), "d"),
        "test_accuracy": (t("Test accuracy (%)"), ".2f"),
        "model_size_mb": (t("Compressed size (MB)"), ".3~f"),
        "inference_latency_ms": (t("Latency, batch 1 (ms)"), ".3~f"),
        "batch_latency_ms": (t("Latency, large batch (ms)"), ".4~f"),
    }
    return [alt.Tooltip(f"{field}:Q", title=names[field][0], format=names[field][1]) for field in TOOLTIP_FIELDS]


def range_tooltip() -> list[alt.Tooltip]:
    """The numbers of the runs of one configuration, where there are too many runs to draw each."""
    names = {"sparsity": t("Requested sparsity"), "seeds": t("Seeds"), "mean": t("Mean"), "low": t("Lowest")}
    return [
        alt.Tooltip(f"{field}:Q", title=title, format=".4~g")
        for field, title in {**names, "high": t("Highest")}.items()
    ]
