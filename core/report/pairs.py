"""Every variant beside every other, as a table and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from core.i18n import N_, t
from core.report.model import Table
from core.report.tables import with_interval
from core.results.paired import Pair, Verdict

VERDICTS: Mapping[Verdict, str] = {
    "ahead": N_("better"),
    "level": N_("cannot be told apart"),
    "behind": N_("worse"),
    "unknown": N_("no interval, no claim"),
}


def pairwise_matrix(pairs: Sequence[Pair]) -> dict[str, dict[str, Pair]]:
    """Each pair from both of its sides: that of row and column has the row first."""
    matrix: dict[str, dict[str, Pair]] = {}
    for pair in pairs:
        matrix.setdefault(pair.first, {})[pair.second] = pair
        matrix.setdefault(pair.second, {})[pair.first] = pair.swapped()
    return matrix


def pairwise_table(pairs: Sequence[Pair], names: Mapping[str, str]) -> Table:
    """The matrix of ``pairs``, each cell by how many points the row is ahead of the column; ``names``: what to call each
    variant."""
    matrix = pairwise_matrix(pairs)
    rows = (
        (names[row], *("; ".join(describe(cells[column])) if column in cells else "—" for column in matrix))
        for row, cells in matrix.items()
    )
    return Table((t("Method"), *(names[column] for column in matrix)), tuple(rows))


def describe(pair: Pair) -> tuple[str, ...]:
    """Difference, p-value if there is one, and verdict."""
    verdict = t(VERDICTS[pair.verdict])
    difference = with_interval(pair.gap.mean, pair.gap.half_width, signed=True)
    return (difference, verdict) if math.isnan(pair.p) else (difference, _p_value(pair.p), verdict)


def _p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
