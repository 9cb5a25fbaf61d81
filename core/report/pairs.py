"""Every variant beside every other, as a table and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from core.i18n import N_, t
from core.report.model import Paragraph, Section, Table
from core.report.statistics import shared_sparsity
from core.report.tables import with_interval
from core.results.paired import Pair, Verdict, pairwise

VERDICTS: Mapping[Verdict, str] = {
    "ahead": N_("better"),
    "level": N_("cannot be told apart"),
    "behind": N_("worse"),
    "unknown": N_("no interval, no claim"),
}
EXPLANATION = N_(
    "By how many points of accuracy the row is ahead of the column: mean over the seeds that both have, ± half of its 95 "
    "% interval. The verdict is that of the paired t tests of all pairs shown, their p corrected by Holm's method. Few "
    "seeds find large differences only: what cannot be told apart need not be equal."
)


def pairwise_matrix(pairs: Sequence[Pair]) -> dict[str, dict[str, Pair]]:
    """Each pair from both of its sides: that of row and column has the row first."""
    matrix: dict[str, dict[str, Pair]] = {}
    for pair in pairs:
        matrix.setdefault(pair.first, {})[pair.second] = pair
        matrix.setdefault(pair.second, {})[pair.first] = pair.swapped()
    return matrix


def pairwise_section(study: pd.DataFrame, summary: pd.DataFrame, names: Mapping[str, str]) -> Iterator[Section]:
    """The pairs at the highest sparsity that most variants share, unless none has an interval."""
    sparsity = shared_sparsity(summary)
    pairs = pairwise(study, summary["variant"].unique(), sparsity)
    if any(pair.verdict != "unknown" for pair in pairs):
        blocks = (Paragraph(t(EXPLANATION)), pairwise_table(pairs, names))
        yield Section(t("Every pair at {sparsity:g}", sparsity=sparsity), 3, blocks)


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
