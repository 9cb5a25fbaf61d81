"""The efficiency table and its forms to take away: CSV, Markdown, LaTeX."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from core.i18n import N_
from core.report.markdown import render_block
from core.report.model import Table
from core.results.metrics import Metric, table_metrics
from core.results.speed import LATENCY_OF
from core.results.statistics import summarise
from core.spec.methods import DENSE, variant_label
from core.spec.validate import check_choice

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
_KEYS = (N_("Method"), N_("Sparsity"))  # the columns that every printed table begins with
_SEEDS, _ACCURACY = "seeds", "accuracy_percent"
PRINTED_COLUMNS = (_SEEDS, *(column for column, _ in _PRINTED.values()))  # unless others are chosen
_BOLD = (
    "Bold: the most accurate at its sparsity, where it is ahead of every other by more than the 95 % interval of the "
    "paired differences."
)
# A spreadsheet takes a cell that starts with one of these for a formula (the last four are the wide forms).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_LATEX = str.maketrans(
    {char: f"\\{char}" for char in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "†": r"$^\dagger$"}
    | {"±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "—": "---"}
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


def check_columns(names: Iterable[str]) -> tuple[str, ...]:
    """``names`` of columns to print, each once; InputError for one that there is not."""
    choices = (_SEEDS, *(metric.column for metric in table_metrics()))
    return tuple(dict.fromkeys(check_choice("--columns", name, choices) for name in names))


def compact_table(table: pd.DataFrame, columns: Sequence[str] = PRINTED_COLUMNS) -> Table:
    """Method, sparsity and ``columns`` of an efficiency table as text, in English."""
    metrics = {metric.column: metric for metric in table_metrics()}
    printed = {column: (metric.label, metric.digits) for column, metric in metrics.items()}
    printed |= {column: (head, digits) for head, (column, digits) in _PRINTED.items()}
    heads = (N_("Number of seeds") if column == _SEEDS else printed[column][0] for column in columns)
    rows = (
        (
            str(row["method"]),
            _text(row["sparsity"], "g"),
            *(
                _text(row[column], "d") if column == _SEEDS else _cell(row, metrics[column], printed[column][1])
                for column in columns
            ),
        )
        for _, row in table.iterrows()
    )
    return Table((*_KEYS, *heads), tuple(rows))


def to_csv(frame: pd.DataFrame) -> str:
    """``frame`` as CSV (RFC 4180) in which no text can act as a formula: such a cell gets an apostrophe in front."""
    safe = frame.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell)
    # With this line end a return or newline within a cell is quoted; else it would start a row, and a formula, of its own.
    return safe.to_csv(index=False, float_format="%.10g", lineterminator="\r\n")


def to_markdown(table: pd.DataFrame, columns: Sequence[str] = PRINTED_COLUMNS) -> str:
    """``columns`` of the efficiency table as a Markdown table."""
    footnote = f"\n\n{AT_CHANCE}\n" if table["at_chance"].any() else ""
    return render_block(compact_table(table, columns)) + footnote


def to_latex(
    table: pd.DataFrame,
    caption: str,
    label: str,
    best: Collection[tuple[str, float]],
    columns: Sequence[str] = PRINTED_COLUMNS,
) -> str:
    """The same as a LaTeX table; it needs the package booktabs. ``best``: method and sparsity of each row whose accuracy is
    bold."""
    printed = compact_table(table, columns)
    body = [[_latex(row[0]), *map(_latex_number, row[1:])] for row in printed.rows]
    if _ACCURACY in columns:
        place = len(_KEYS) + list(columns).index(_ACCURACY)
        for row, *key in zip(body, table["method"], table["sparsity"], strict=True):
            if tuple(key) in best:
                row[place] = rf"\textbf{{{row[place]}}}"
        caption += f" {_BOLD}"
    if table["at_chance"].any():
        caption += f" {AT_CHANCE}"
    head, *rows = (" & ".join(row) + r" \\" for row in ([*map(_latex, printed.head)], *body))
    lines = (
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(printed.head) - 1)}}}",
        r"\toprule",
        head,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    )
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


def _latex(text: str) -> str:
    return text.translate(_LATEX)


def _latex_number(cell: str) -> str:
    """``cell`` with a minus sign: a hyphen is too short for one."""
    return _latex(cell).replace("-", "$-$", 1) if cell.startswith("-") else _latex(cell)


def _text(value: float, form: str) -> str:
    return "—" if math.isnan(value) else format(value, form)
