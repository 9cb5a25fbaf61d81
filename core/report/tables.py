"""The efficiency table and its forms to take away: CSV, Markdown, LaTeX."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from core.results.metrics import Metric, table_metrics
from core.results.statistics import summarise
from core.spec.methods import DENSE, variant_label

_DENSE = variant_label(DENSE, {})
# What fits on a page: heading, column of the table, digits; beside a mean stands its interval if the table has it.
_PRINTED: Mapping[str, tuple[str, int]] = {
    "Accuracy (%)": ("accuracy_percent", 2),
    "Change (points)": ("accuracy_change_points", 2),
    "Parameters (M)": ("params_millions", 3),
    "MACs (M)": ("macs_millions", 1),
    "Size (MB)": ("compressed_size_mb", 2),
    "Latency (ms)": ("latency_batch1_ms", 2),
    "Speed-up": ("speedup_batch1", 2),
    "Speed-up, large batch": ("speedup_large_batch", 2),
}
_HEAD = ("Method", "Sparsity", "Seeds", *_PRINTED)
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
    columns = {"method": summary["variant"], "sparsity": summary["sparsity"], "seeds": summary["n"]}
    for metric in table_metrics():
        columns[metric.column] = summary[metric.name] / metric.unit
        if metric.interval:
            columns[metric.interval.column] = summary[f"{metric.name}_ci"] / metric.unit
    return pd.DataFrame(columns)


def to_csv(frame: pd.DataFrame) -> str:
    """``frame`` as CSV (RFC 4180) in which no text can act as a formula: such a cell gets an apostrophe in front."""
    safe = frame.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell)
    # With this line end a return or newline within a cell is quoted; else it would start a row, and a formula, of its own.
    return safe.to_csv(index=False, float_format="%.10g", lineterminator="\r\n")


def escape_markdown(text: str) -> str:
    """``text`` that Markdown, Streamlit's included, shows letter by letter, on one line."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|~$:&" else char for char in " ".join(text.split()))


def to_markdown(
    table: pd.DataFrame,
    headings: Mapping[str, str] | None = None,
    method: Callable[[str], str] = escape_markdown,
) -> str:
    """The efficiency table for a text: a Markdown table of the columns that matter most. For another language:
    ``headings`` by the English ones, and ``method``, which gives the name of a method as Markdown."""
    head = [headings[name] if headings else name for name in _HEAD]
    rows = [[method(name), *map(escape_markdown, numbers)] for name, *numbers in _printed(table)]
    return markdown_table(head, rows)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """A Markdown table of cells that are Markdown already: the first ``texts`` columns are text, the others numbers."""
    lines = [head, ["---"] * texts + ["---:"] * (len(head) - texts), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(table: pd.DataFrame) -> str:
    """The same as a LaTeX tabular; it needs no package."""
    rows = [[cell.translate(_LATEX) for cell in row] for row in (_HEAD, *_printed(table))]
    head, *body = (f"{' & '.join(row)} \\\\" for row in rows)
    columns = "l" + "r" * (len(_HEAD) - 1)
    lines = [f"\\begin{{tabular}}{{{columns}}}", "\\hline", head, "\\hline", *body, "\\hline", "\\end{tabular}"]
    return "\n".join(lines) + "\n"


def with_interval(mean: float, half_width: float, digits: int = 2, *, signed: bool = False) -> str:
    """``mean ± half_width``, the mean alone where there is no interval, a dash where there is no mean."""
    text = _text(mean, f"{'+' if signed else ''}.{digits}f")
    return text if math.isnan(half_width) or math.isnan(mean) else f"{text} ± {half_width:.{digits}f}"


def _printed(table: pd.DataFrame) -> list[list[str]]:
    metrics = {metric.column: metric for metric in table_metrics()}
    return [
        [
            str(row["method"]),
            _text(row["sparsity"], "g"),
            _text(row["seeds"], "d"),
            *(_cell(row, metrics[column], digits) for column, digits in _PRINTED.values()),
        ]
        for _, row in table.iterrows()
    ]


def _cell(row: pd.Series[Any], metric: Metric, digits: int) -> str:
    if metric.signed and row["method"] == _DENSE:  # dense is what all others are compared with
        return "—"
    half_width = row[metric.interval.column] if metric.interval else math.nan
    return with_interval(row[metric.column], half_width, digits, signed=metric.signed)


def _text(value: float, form: str) -> str:
    return "—" if math.isnan(value) else format(value, form)
