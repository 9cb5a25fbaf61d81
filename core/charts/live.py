"""Charts of runs that are going on: learning curves, and what the networks cost once they are pruned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import altair as alt
import pandas as pd

from core.charts.encodings import flat_axis
from core.charts.styles import KEPT, MEAN_SIZE, SEED_SIZE, TEXT, color_scale, distinct_styles, shape_scale
from core.i18n import N_, t
from core.labels import recipe_name, run_name
from core.spec.spec import RunSpec

# Column of the curves, axis title.
MEASURES: Mapping[str, str] = {
    "test_accuracy": N_("Test accuracy (%)"),
    "train_accuracy": N_("Training accuracy (%)"),
    "loss": N_("Training loss"),
    "images_per_second": N_("Images per second"),
}


def distinct_labels(specs: Iterable[RunSpec]) -> dict[str, str]:
    """What to call each run in a chart, by run id: its name, and as much more as it takes to tell it from the others."""
    specs = list(specs)
    names = [run_name(spec) for spec in specs]
    shared = Counter(names)
    longer = {
        spec.run_id: name if shared[name] == 1 else f"{name} · {recipe_name(spec.recipe)}"
        for spec, name in zip(specs, names, strict=True)
    }
    uses = Counter(longer.values())
    return {run_id: name if uses[name] == 1 else f"{name} · {run_id[-4:]}" for run_id, name in longer.items()}


def curve_chart(curves: pd.DataFrame, measure: str, methods: Mapping[str, str]) -> alt.LayerChart:
    """``measure`` against the epoch, a line for each value of the column ``run``, in the colour of its method, which
    ``methods`` says, and with points of a shape of its own, so that no colour has to be told apart alone. Rows without
    ``measure`` are passed over; some have to have it."""
    # The same for every measure.
    epochs = alt.Scale(domain=[math.floor(curves["epoch"].min()), math.ceil(curves["epoch"].max())])
    names = sorted(curves["run"].unique())
    styles = distinct_styles({name: methods[name] for name in names})  # a run looks the same in every chart
    curves = curves.dropna(subset=measure)
    legend = alt.Legend(orient="bottom", columns=1, labelLimit=640, symbolSize=MEAN_SIZE, symbolOpacity=1)
    title = t(MEASURES[measure])
    tooltip = [
        alt.Tooltip("run:N", title=t("Run")),
        alt.Tooltip("epoch:Q", title=t("Epoch")),
        alt.Tooltip(f"{measure}:Q", title=title, format=".3~f"),
    ]
    base = alt.Chart(curves[["run", "epoch", measure]]).encode(
        x=alt.X(
            "epoch:Q",
            title=t("Epoch (of a pruned run: after pruning)"),
            scale=epochs,
            axis=alt.Axis(tickMinStep=1, format="d", grid=False),
        ),
        y=alt.Y(f"{measure}:Q", scale=_padded(curves[measure]), axis=flat_axis(title, tickCount=5)),
        color=alt.Color("run:N", title=None, scale=color_scale(styles), legend=legend),
    )
    lines = base.mark_line(strokeWidth=2, tooltip=None).encode(detail="run:N")
    points = base.mark_point(filled=True, size=2 * SEED_SIZE, opacity=1).encode(
        shape=alt.Shape("run:N", title=None, scale=shape_scale(styles), legend=legend), tooltip=tooltip
    )
    # The legend is a part of the height.
    return alt.LayerChart(layer=[lines, points], height=380 + 20 * len(names))


def _padded(values: pd.Series[float]) -> alt.Scale:
    """A scale with some padding about ``values``, also where there is only one of them so far."""
    low, high = float(values.min()), float(values.max())
    padding = 0.1 * (high - low) or 0.1 * abs(high) or 1.0
    return alt.Scale(domain=[low - padding, high + padding], zero=False, nice=True)


def cost_chart(costs: pd.DataFrame, measure: str, title: str) -> alt.LayerChart:
    """``measure`` of each run as a bar with its number, in the order of the rows; columns ``run`` and ``measure``."""
    scale = alt.Scale(domain=[0, 1.2 * costs[measure].max()], nice=False)  # for the number of the longest bar
    base = alt.Chart(costs[["run", measure]]).encode(
        y=alt.Y("run:N", title=None, sort=None, axis=alt.Axis(labelLimit=380)),
        x=alt.X(f"{measure}:Q", title=title, scale=scale, axis=alt.Axis(grid=False)),
        tooltip=[alt.Tooltip("run:N", title=t("Run")), alt.Tooltip(f"{measure}:Q", title=title, format=".3~f")],
    )
    bars = base.mark_bar(color=KEPT, opacity=0.75, height={"band": 0.6})
    numbers = base.mark_text(align="left", dx=4, color=TEXT).encode(text=alt.Text(f"{measure}:Q", format=".3~f"))
    chart: alt.LayerChart = (bars + numbers).properties(height=alt.Step(26))
    return chart
