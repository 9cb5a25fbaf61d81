"""The efficiency table and its forms to take away: CSV, Markdown, LaTeX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from core.i18n import N_
from core.report.markdown import render_block
from core.report.model import Table
from core.results.metrics import Metric, table_metrics
from core.results.speed import LATENCY_OF
from core.results.statistics import summarise
from core.spec.methods import DENSE, variant_label

_DENSE = variant_label(DENSE, {})
# What fits on a page: heading, column of the table, digits; beside a mean stands its interval if the table has it.
_PRINTED: Mapping[str, tuple[str, int]] = {
    N_("Accuracy (%)"): ("accuracy_percent", 2),
    N_("Change (points)"): ("accuracy_change_points", 2),
    N_("Parameters (M)"): ("params_millions", 3),
    N_("MACs (M)"): ("macs_millions", 1),
    N_("PruneScope file (MB)"): ("compressed_size_mb", 2),
    N_("Latency (ms)"): ("latency_batch1_ms", 2),
    N_("Speed-up"): ("speedup_batch1", 2),
    N_("Speed-up, large batch"): ("speedup_large_batch", 2),
}
AT_CHANCE = N_("† At chance level: at least one of the runs does no better than guessing.")
_HEAD = (N_("Method"), N_("Sparsity"), N_("Number of seeds"), *_PRINTED)
# A spreadsheet takes a cell that starts with one of these for a formula (the last four are the wide forms).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_LATEX = str.maketrans(
    {char: f"\\{char}" for char in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "—": "---",
        "†": r"$^\dagger$",
    }
)


def efficiency_table(study: pd.DataFrame) -> pd.DataFrame:
    """One row for each method variant and requested sparsity, dense first: means over seeds, and ``<name>_ci95``, half of
    the 95 % interval, NaN for a single seed. The change is that against the dense runs of the same seeds. ``at_chance``:
    how many of the seeds are at chance level."""
    summary = summarise(study)
    columns = {"method": summary["variant"], "sparsity": summary["sparsity"], "seeds": summary["n"]}
    columns["at_chance"] = summary["at_chance"]
    for metric in table_metrics():
        columns[metric.column] = summary[metric.name] / metric.unit
        if metric.interval:
            columns[metric.interval.column] = summary[f"{metric.name}_ci"] / metric.unit
    return pd.DataFrame(columns)


def compact_table(table: pd.DataFrame) -> Table:
    """The columns of an efficiency table that fit on a page, in English; the first names the method."""
    metrics = {metric.column: metric for metric in table_metrics()}
    rows = (
        (
            str(row["method"]),
            _text(row["sparsity"], "g"),
            _text(row["seeds"], "d"),
            *(_cell(row, metrics[column], digits) for column, digits in _PRINTED.values()),
        )
        for _, row in table.iterrows()
    )
    return Table(_HEAD, tuple(rows))


def to_csv(frame: pd.DataFrame) -> str:
    """``frame`` as CSV (RFC 4180) in which no text can act as a formula: such a cell gets an apostrophe in front."""
    safe = frame.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell)
    # With this line end a return or newline within a cell is quoted; else it would start a row, and a formula, of its own.
    return safe.to_csv(index=False, float_format="%.10g", lineterminator="\r\n")


def to_markdown(table: pd.DataFrame) -> str:
    """The efficiency table as a Markdown table of the columns that matter most."""
    footnote = f"\n\n{AT_CHANCE}\n" if table["at_chance"].any() else ""
    return render_block(compact_table(table)) + footnote


def to_latex(table: pd.DataFrame) -> str:
    """The same as a LaTeX tabular; it needs no package."""
    printed = compact_table(table)
    rows = [[cell.translate(_LATEX) for cell in row] for row in (printed.head, *printed.rows)]
    head, *body = (f"{' & '.join(row)} \\\\" for row in rows)
    columns = "l" + "r" * (len(_HEAD) - 1)
    lines = [f"\\begin{{tabular}}{{{columns}}}", "\\hline", head, "\\hline", *body, "\\hline", "\\end{tabular}"]
    return "\n".join(lines) + "\n"


def with_interval(mean: float, half_width: float, digits: int = 2, *, signed: bool = False) -> str:
    """``mean ± half_width``, the mean alone where there is no interval, a dash where there is no mean."""
    text = _text(mean, f"{'+' if signed else ''}.{digits}f")
    return text if math.isnan(half_width) or math.isnan(mean) else f"{text} ± {half_width:.{digits}f}"


def _cell(row: pd.Series[Any], metric: Metric, digits: int) -> str:
    if metric.signed and row["method"] == _DENSE:  # dense is what all others are compared with
        return "—"
    half_width = row[metric.interval.column] if metric.interval else math.nan
    if metric.name in LATENCY_OF and half_width == 0:  # the same operations: 1 by construction
        half_width = math.nan
    text = with_interval(row[metric.column], half_width, digits, signed=metric.signed)
    return f"{text} †" if metric.name == "test_accuracy" and row["at_chance"] else text


def _text(value: float, form: str) -> str:
    return "—" if math.isnan(value) else format(value, form)
