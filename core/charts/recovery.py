"""What recovery did at one sparsity: the accuracy of each variant after the cut, after repair and after retraining."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from core.charts.encodings import variant_tooltip
from core.charts.styles import (
    DENSE_STYLE,
    MEAN_SIZE,
    TEXT,
    Style,
    color_and_shape,
    localized_styles,
    localized_variants,
)
from core.i18n import N_, t, tn

# Metric, its name here, and opacity: the later, the darker, which can be told apart in grey.
STAGES = (
    ("accuracy_before_finetuning", N_("after the cut"), 0.3),
    ("accuracy_after_repair", N_("after repair"), 0.6),
    ("test_accuracy", N_("after retraining"), 1.0),
)
_ROW = 34  # pixels


def recovery_chart(
    marked: pd.DataFrame, styles: Mapping[str, Style], epochs: Mapping[str, int], dense: float | None
) -> alt.LayerChart:
    """Up to three marks for each variant in ``marked``, its means at one sparsity as ``interpolate`` gives them, and a line
    at the accuracy of the ``dense`` network. ``epochs``: those of each variant's training after the cut."""
    known = marked[marked["variant"].isin(list(styles))]
    stages = pd.concat(_stage(known, epochs, *stage) for stage in STAGES).dropna(subset="accuracy")
    stages = localized_variants(stages, styles)
    shown = {name: style for name, style in localized_styles(styles).items() if name in set(stages["variant"])}
    y = alt.Y("variant:N", title=None, sort=list(shown), axis=alt.Axis(labelLimit=260))
    x = alt.X("accuracy:Q", title=t("Test accuracy (%)"), scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(grid=False))
    color, shape = color_and_shape(shown, None)
    tooltip = [
        variant_tooltip(),
        alt.Tooltip("stage:N", title=t("When")),
        alt.Tooltip("accuracy:Q", title=t("Test accuracy (%)"), format=".2f"),
        alt.Tooltip("took:N", title=t("Training")),
        alt.Tooltip("origin:N", title=t("Value")),
    ]
    base = alt.Chart(stages).encode(y, x)
    way = base.mark_line(strokeWidth=1.5, opacity=0.5, tooltip=None).encode(color, detail="variant:N")
    opacity = alt.Opacity("opacity:Q", scale=None)
    marks = base.mark_point(filled=True, size=MEAN_SIZE).encode(color, shape, opacity, tooltip=tooltip)
    last = alt.datum.stage == t(STAGES[-1][1])
    text = base.mark_text(align="left", dx=9, color=TEXT, fontSize=11, tooltip=None).transform_filter(last)
    layers = [way, marks, text.encode(text="took:N")]
    if dense is not None:
        rule = alt.Chart(pd.DataFrame({"accuracy": [dense]})).mark_rule(color=DENSE_STYLE.color, strokeWidth=1.25)
        layers.insert(0, rule.encode(x, tooltip=alt.Tooltip("accuracy:Q", title=t("Dense, mean"), format=".4~g")))
    return alt.LayerChart(layer=layers, height=alt.Step(_ROW))


def _stage(marked: pd.DataFrame, epochs: Mapping[str, int], metric: str, name: str, opacity: float) -> pd.DataFrame:
    trained = metric == STAGES[-1][0]
    took = [tn("1 epoch", "{n} epochs", epochs[variant]) if trained else t("none") for variant in marked["variant"]]
    origin = marked["measured"].map({True: t("mean of the seeds"), False: t("interpolated")})
    return marked[["method", "variant"]].assign(
        accuracy=marked[metric], stage=t(name), opacity=opacity, took=took, origin=origin
    )
