"""The efficiency table and its forms to take away: CSV, Markdown, LaTeX."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pandas as pd

from core.i18n import N_
from core.report.markdown import render_block
from core.report.model import Table
from core.results.frame import summarise
from core.spec.methods import DENSE, variant_label

# Column of the table: column of the summary that it comes from. Units are in the names.
_COLUMNS: Mapping[str, str] = {
    "method": "variant",
    "sparsity": "sparsity",
    "seeds": "n",
    "accuracy_percent": "test_accuracy",
    "accuracy_ci95": "test_accuracy_ci",
    "accuracy_change_points": "accuracy_change",
    "accuracy_change_ci95": "accuracy_change_ci",
    "compressed_size_mb": "model_size_mb",
    "size_ratio": "size_ratio",
    "latency_batch1_ms": "inference_latency_ms",
    "latency_large_batch_ms": "batch_latency_ms",
    "speedup_batch1": "speedup",
    "speedup_large_batch": "batch_speedup",
    "optimised_latency_batch1_ms": "optimised_latency_ms",
    "optimised_latency_large_batch_ms": "optimised_batch_latency_ms",
    "optimised_speedup_batch1": "optimised_speedup",
    "optimised_speedup_large_batch": "optimised_batch_speedup",
    "params_millions": "params_millions",
    "macs_millions": "macs",
    "mac_ratio": "mac_ratio",
    "reached_sparsity": "reached_sparsity",
    "filter_ratio": "filter_ratio",
    "plain_size_mb": "plain_size_mb",
    "accuracy_before_finetuning_percent": "accuracy_before_finetuning",
}
# What fits on a page: heading, and the cell made from a row of the efficiency table.
_PRINTED: Mapping[str, Callable[[pd.Series], str]] = {
    N_("Method"): lambda row: str(row["method"]),
    N_("Sparsity"): lambda row: _text(row["sparsity"], "g"),
    N_("Seeds"): lambda row: _text(row["seeds"], "d"),
    N_("Accuracy (%)"): lambda row: with_interval(row["accuracy_percent"], row["accuracy_ci95"]),
    N_("Change (points)"): lambda row: (
        "—"  # dense is what all others are compared with
        if row["method"] == variant_label(DENSE, {})
        else with_interval(row["accuracy_change_points"], row["accuracy_change_ci95"], signed=True)
    ),
    N_("Parameters (M)"): lambda row: _text(row["params_millions"], ".3f"),
    N_("MACs (M)"): lambda row: _text(row["macs_millions"], ".1f"),
    N_("Size (MB)"): lambda row: _text(row["compressed_size_mb"], ".2f"),
    N_("Latency (ms)"): lambda row: _text(row["latency_batch1_ms"], ".2f"),
    N_("Speed-up"): lambda row: _text(row["speedup_batch1"], ".2f"),
    N_("Speed-up, large batch"): lambda row: _text(row["speedup_large_batch"], ".2f"),
}
# A spreadsheet takes a cell that starts with one of these for a formula (the last four are the wide forms).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_LATEX = str.maketrans(
    {char: f"\\{char}" for char in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "—": "---"}
)


def efficiency_table(study: pd.DataFrame) -> pd.DataFrame:
    """One row for each method variant and requested sparsity, dense first: means over seeds, and ``<name>_ci95``, half of
    the 95 % interval, NaN for a single seed. The change is that against the dense runs of the same seeds."""
    summary = summarise(study)
    table = pd.DataFrame({name: summary[source] for name, source in _COLUMNS.items()})
    table["macs_millions"] /= 1e6
    return table


def compact_table(table: pd.DataFrame) -> Table:
    """The columns of an efficiency table that fit on a page, in English; the first names the method."""
    rows = (tuple(cell(row) for cell in _PRINTED.values()) for _, row in table.iterrows())
    return Table(tuple(_PRINTED), tuple(rows))


def to_csv(frame: pd.DataFrame) -> str:
    """``frame`` as CSV (RFC 4180) in which no text can act as a formula: such a cell gets an apostrophe in front."""
    safe = frame.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell)
    # With this line end a return or newline within a cell is quoted; else it would start a row, and a formula, of its own.
    return safe.to_csv(index=False, float_format="%.10g", lineterminator="\r\n")


def to_markdown(table: pd.DataFrame) -> str:
    """The efficiency table as a Markdown table of the columns that matter most."""
    return render_block(compact_table(table))


def to_latex(table: pd.DataFrame) -> str:
    """The same as a LaTeX tabular; it needs no package."""
    printed = compact_table(table)
    rows = [[cell.translate(_LATEX) for cell in row] for row in (printed.head, *printed.rows)]
    head, *body = (f"{' & '.join(row)} \\\\" for row in rows)
    columns = "l" + "r" * (len(_PRINTED) - 1)
    lines = [f"\\begin{{tabular}}{{{columns}}}", "\\hline", head, "\\hline", *body, "\\hline", "\\end{tabular}"]
    return "\n".join(lines) + "\n"


def with_interval(mean: float, half_width: float, digits: int = 2, *, signed: bool = False) -> str:
    """``mean ± half_width``, the mean alone where there is no interval, a dash where there is no mean."""
    text = _text(mean, f"{'+' if signed else ''}.{digits}f")
    return text if math.isnan(half_width) or math.isnan(mean) else f"{text} ± {half_width:.{digits}f}"


def _text(value: float, form: str) -> str:
    return "—" if math.isnan(value) else format(value, form)
