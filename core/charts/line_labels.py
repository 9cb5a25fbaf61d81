"""Names at the ends of lines, where they fit: then a chart needs no legend."""

from __future__ import annotations

import pandas as pd

_LINE = 16  # pixels from one label to the next
_MOVED = 14  # pixels that a label may lie beside the end of its line
_NICE = 1.15  # how much longer an axis may be than what it shows, as it ends at round numbers


def line_labels(lines: pd.DataFrame, span: float, height: float) -> pd.DataFrame | None:
    """The label of each line, columns variant, mean (of its end) and place (of its label), moved apart so that none lies
    upon another in a chart of ``height`` pixels that shows a range of the length ``span``. None where they do not fit:
    where a line ends before the others, or a label would lie too far from its line. ``lines``: columns variant, sparsity
    and mean."""
    ends = (
        lines[["variant", "sparsity", "mean"]]
        .dropna()
        .sort_values("sparsity")
        .drop_duplicates("variant", keep="last")
        .sort_values("mean")
    )
    if ends.empty or ends["sparsity"].nunique() > 1 or not span > 0:
        return None
    pixel = _NICE * span / height
    places = _apart(list(ends["mean"]), _LINE * pixel)
    labels = ends[["variant", "mean"]].assign(place=places)
    return labels if (labels["place"] - labels["mean"]).abs().max() <= _MOVED * pixel else None


def _apart(values: list[float], gap: float) -> list[float]:
    """The numbers closest to ``values`` (rising) by least squares of which each is at least ``gap`` above the one before:
    isotonic regression, by pooling neighbours that are too close."""
    pools: list[tuple[float, int]] = []  # mean and size
    for rank, value in enumerate(values):
        pools.append((value - rank * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (upper, many), (lower, more) = pools.pop(), pools.pop()
            pools.append(((upper * many + lower * more) / (many + more), many + more))
    flat = [mean for mean, size in pools for _ in range(size)]
    return [mean + rank * gap for rank, mean in enumerate(flat)]
