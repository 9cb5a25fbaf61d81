"""The files that a study leaves behind: results as JSON, tables, figures and the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.i18n import LANGUAGES, Message, use_language
from core.report import tables
from core.report.all_results import all_results
from core.report.build import build_report
from core.report.figures import figures, without_title
from core.report.markdown import render_markdown
from core.report.model import Report
from core.report.rasterize import FORMATS, has_korean_font, rasterize
from core.report.statistics import clear_leaders
from core.report.study import Study, layers
from core.results.statistics import summarise
from core.runs.atomic_io import atomic_write
from core.runs.status import curves
from core.spec.errors import InputError, invalid_value, os_reason

_TABLE_CAPTION = (
    "Means over seeds ± half of the 95 % Student-t interval; changes are against the dense runs of the same seeds."
)
RESULT_FILES = ("all_results.json", "efficiency_table.csv", "efficiency_table.md", "efficiency_table.tex")


def result_files(study: Study, columns: Sequence[str] = tables.PRINTED_COLUMNS) -> dict[str, str]:
    """The texts of RESULT_FILES: everything as JSON, and the efficiency table as CSV, and of it ``columns`` as Markdown and
    LaTeX."""
    table = tables.efficiency_table(study.frame)
    with use_language("en"):
        caption = ". ".join((*study.source.caption(), _TABLE_CAPTION))
    best = clear_leaders(study.frame, summarise(study.frame))
    latex = tables.to_latex(table, caption, f"tab:{study.name}", best, columns)
    results = json.dumps(all_results(study), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    texts = (results, tables.to_csv(table), tables.to_markdown(table, columns), latex)
    return dict(zip(RESULT_FILES, texts, strict=True))


def figure_language(language: str) -> str:
    """The language of the figures in a report in ``language``: English where no font here has its letters."""
    return language if language != "ko" or has_korean_font() else "en"


def figure_specs(study: Study, language: str = "en") -> dict[str, dict[str, Any]]:
    """Every figure as Vega-Lite, by its name."""
    with use_language(language):
        return figures(study.frame, layers(study), curves(study.folders), study.source.caption())


def figure_file(name: str, language: str) -> str:
    """The name of a figure's files in ``language``, without the ending."""
    return name if language == "en" else f"{name}.{language}"


def study_report(study: Study, language: str, drawn: Mapping[str, Iterable[str]]) -> Report:
    """The report in ``language``, with links to the files of :func:`result_files`. ``drawn``: the names of the figures
    that lie beside it, by language; those in its own if there are any, else the English ones."""
    shown = figure_language(language) if figure_language(language) in drawn else "en"
    with use_language(language):
        return build_report(study, {name: figure_file(name, shown) for name in drawn[shown]}, RESULT_FILES)


def report_name(language: str) -> str:
    """The name of the report's file."""
    return "report.md" if language == "en" else f"report.{language}.md"


def write_results(study: Study, out: Path, columns: Sequence[str] = tables.PRINTED_COLUMNS) -> list[Path]:
    """Write the files of :func:`result_files`; their paths."""
    return [_write(out / name, text.encode()) for name, text in result_files(study, columns).items()]


def write_figures(study: Study, out: Path, *, titles: bool = True) -> list[Path]:
    """Write every figure in every format, with or without ``titles``; the files."""
    specs = figure_specs(study)
    return _write_figures(specs if titles else {name: without_title(spec) for name, spec in specs.items()}, out, "en")


def write_report(study: Study, out: Path, language: str = "en") -> list[Path]:
    """Write the report, and all that it shows and links to; the files, the report last. InputError for an unknown
    language."""
    if language not in LANGUAGES:
        raise invalid_value("--language", language, Message("one of {choices}", choices=", ".join(LANGUAGES)))
    return _write_reports(study, out, (language,), {figure_language(language)})


def write_everything(study: Study, out: Path, drawn_in: Iterable[str] = LANGUAGES) -> list[Path]:
    """Write results, tables, figures in the languages ``drawn_in``, and the report in every language; the files."""
    return _write_reports(study, out, LANGUAGES, map(figure_language, drawn_in))


def _write_reports(study: Study, out: Path, languages: Iterable[str], drawn_in: Iterable[str]) -> list[Path]:
    files = write_results(study, out)
    drawn = {language: figure_specs(study, language) for language in drawn_in}
    for language, specs in drawn.items():
        files += _write_figures(specs, out, language)
    for language in languages:
        text = render_markdown(study_report(study, language, drawn))
        files.append(_write(out / report_name(language), text.encode()))
    return files


def _write_figures(specs: Mapping[str, Mapping[str, Any]], out: Path, language: str) -> list[Path]:
    return [
        _write(out / f"{figure_file(name, language)}.{kind}", rasterize(spec, kind))
        for name, spec in specs.items()
        for kind in FORMATS
    ]


def output_folder(path: Path) -> Path:
    """``path``, made if it is not there; InputError if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "{path} cannot be written ({reason}): choose another folder with --out.", path=path, reason=os_reason(error)
        ) from None
    return path


def _write(path: Path, content: bytes) -> Path:
    with atomic_write(path) as file:
        file.write(content)
    return path
