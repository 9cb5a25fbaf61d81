"""The files that a study leaves behind: results as JSON, tables, figures and the report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.i18n import Message, use_language
from core.report import tables
from core.report.all_results import all_results
from core.report.figures import figures
from core.report.rasterize import KINDS, draw, has_korean_font
from core.report.study import Study, dead_layers, layers
from core.report.text import LANGUAGES, build_report
from core.runs.atomic_io import atomic_write
from core.runs.status import curves
from core.spec.errors import InputError, invalid_value, os_reason


def result_files(study: Study) -> dict[str, str]:
    """all_results.json, and the efficiency table as CSV, Markdown and LaTeX, by the names of their files."""
    table = tables.efficiency_table(study.frame)
    return {
        "all_results.json": json.dumps(all_results(study), indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        "efficiency_table.csv": tables.to_csv(table),
        "efficiency_table.md": tables.to_markdown(table),
        "efficiency_table.tex": tables.to_latex(table),
    }


def figure_language(language: str) -> str:
    """The language of the figures in a report in ``language``: English where no font here has its letters."""
    return language if language != "ko" or has_korean_font() else "en"


def figure_specs(study: Study, language: str = "en") -> dict[str, dict[str, Any]]:
    """Every figure as Vega-Lite, by the name of its file without the ending."""
    with use_language(language):
        caption = study.source.caption()
        found = figures(study.frame, layers(study), curves(study.folders), caption)
    return {name if language == "en" else f"{name}.{language}": spec for name, spec in found.items()}


def report_text(study: Study, language: str, files: Iterable[Path]) -> str:
    """The report in ``language``, a key of LANGUAGES, which shows and links to those of ``files`` that lie beside it:
    of the figures, those in its language if there are any."""
    files = list(files)
    drawn = [path.stem for path in files if path.suffix == ".png"]
    own = [name for name in drawn if name.endswith(f".{language}")]
    return build_report(
        study.frame,
        study.source,
        dead_layers(study.runs),
        language=language,
        figures=own or [name for name in drawn if "." not in name],
        files=[path.name for path in files if path.suffix not in (".png", ".svg")],
    )


def report_name(language: str) -> str:
    """The name of the report's file."""
    return "report.md" if language == "en" else f"report.{language}.md"


def write_results(study: Study, out: Path) -> list[Path]:
    """Write all_results.json and the efficiency table as CSV, Markdown and LaTeX; the files."""
    return [_write(out / name, text.encode()) for name, text in result_files(study).items()]


def write_figures(study: Study, out: Path, language: str = "en") -> list[Path]:
    """Write every figure as PNG and SVG; the files."""
    specs = figure_specs(study, language)
    return [_write(out / f"{name}.{kind}", draw(spec, kind)) for name, spec in specs.items() for kind in KINDS]


def write_report(study: Study, out: Path, language: str = "en") -> list[Path]:
    """Write the report, and all that it shows and links to; the files, the report last. InputError for a language that
    there is none in."""
    if language not in LANGUAGES:
        raise invalid_value("--language", language, Message("one of {choices}", choices=", ".join(LANGUAGES)))
    return _write_reports(study, out, (language,), {figure_language(language)})


def write_everything(study: Study, out: Path, drawn_in: Iterable[str] = LANGUAGES) -> list[Path]:
    """Write results, tables, figures in the languages ``drawn_in``, and the report in every language; the files."""
    return _write_reports(study, out, LANGUAGES, map(figure_language, drawn_in))


def _write_reports(study: Study, out: Path, languages: Iterable[str], drawn_in: Iterable[str]) -> list[Path]:
    files = write_results(study, out)
    for language in dict.fromkeys(drawn_in):
        files += write_figures(study, out, language)
    reports = [_write(out / report_name(name), report_text(study, name, files).encode()) for name in languages]
    return [*files, *reports]


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
