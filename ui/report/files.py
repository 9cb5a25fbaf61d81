"""All files of a study, as the command line writes them, in memory: texts at once, figures when they are asked for."""

from __future__ import annotations

import functools
import io
import json
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from core.i18n import LANGUAGES
from core.report.export import figure_file, figure_language, figure_specs, report_name, result_files, study_report
from core.report.figures import on_dark, without_title
from core.report.markdown import render_markdown
from core.report.model import Figure, Report
from core.report.provenance import Provenance
from core.report.rasterize import FORMATS, rasterize_in_subprocess
from core.report.study import find_study
from core.report.tables import efficiency_table, to_csv
from core.results.frame import columns, content_key
from core.runs.folder import Home

ALL_RUNS = "all_runs.csv"
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class StudyFiles:
    """``name`` is that of a folder for the files; ``runs`` and ``efficiency`` are the tables of results, ``reports`` by
    language, ``texts`` the files that are text, ``specs`` the figures as Vega-Lite in JSON, both by name."""

    name: str
    source: Provenance
    runs: pd.DataFrame
    efficiency: pd.DataFrame
    reports: Mapping[str, Report]
    texts: Mapping[str, str]
    specs: Mapping[str, str]

    def figures(self, language: str) -> list[Figure]:
        """Those that the report in ``language`` shows, in its order."""
        sections = self.reports[language].sections
        return [block for section in sections for block in section.blocks if isinstance(block, Figure)]

    def figure(self, name: str, kind: str, *, titles: bool = True) -> bytes:
        """A figure as a file of ``kind``, one of FORMATS. OSError if it cannot be drawn."""
        return _rasterize(((self._spec(name, titles=titles), kind),))[0]

    def figure_on_page(self, name: str, *, dark: bool, titles: bool = True) -> str:
        """A figure as SVG for a page, which may be ``dark``. OSError if it cannot be drawn."""
        spec = self._spec(name, titles=titles)
        return _rasterize(((json.dumps(on_dark(json.loads(spec))) if dark else spec, "svg"),))[0].decode()

    def _spec(self, name: str, *, titles: bool) -> str:
        return self.specs[name] if titles else json.dumps(without_title(json.loads(self.specs[name])))

    def archive(self) -> bytes:
        """Every file in one ZIP. OSError if a figure cannot be drawn."""
        figures = {f"{name}.{kind}": (spec, kind) for name, spec in self.specs.items() for kind in FORMATS}
        files: dict[str, str | bytes] = {**self.texts}
        files |= zip(figures, _rasterize(tuple(figures.values())), strict=True)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in files.items():
                archive.writestr(f"{self.name}/{name}", file)
        return content.getvalue()


def study_files(home: Home, recipe: str, runs: pd.DataFrame) -> StudyFiles:
    """The files of the study of ``recipe`` under ``home``; made again when one of its ``runs`` is another."""
    return _study_files(home.path, recipe, content_key(runs))


@st.cache_resource(show_spinner=False, max_entries=8)
def _study_files(path: Path, recipe: str, content: int) -> StudyFiles:
    study = find_study(Home(path), recipe)
    figures = {language: figure_specs(study, language) for language in map(figure_language, LANGUAGES)}
    reports = {language: study_report(study, language, figures) for language in LANGUAGES}
    runs = study.frame[columns()]
    return StudyFiles(
        name=study.name,
        source=study.source,
        runs=runs,
        efficiency=efficiency_table(study.frame),
        reports=reports,
        texts={
            **result_files(study),
            ALL_RUNS: to_csv(runs),
            **{report_name(language): render_markdown(report) for language, report in reports.items()},
        },
        specs={
            figure_file(name, language): json.dumps(spec)
            for language, specs in figures.items()
            for name, spec in specs.items()
        },
    )


def _rasterize(figures: tuple[tuple[str, str], ...]) -> list[bytes]:
    """Each of ``figures``, JSON and format, as a file: several in much less time than one by one."""
    with _one_at_a_time:  # two at once would take as long
        return _rasterized(figures)


@functools.lru_cache(maxsize=128)
def _rasterized(figures: tuple[tuple[str, str], ...]) -> list[bytes]:
    return rasterize_in_subprocess(figures)
