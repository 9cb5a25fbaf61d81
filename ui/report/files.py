"""All files of a study, as the command line writes them, in memory: texts at once, pictures when they are asked for."""

from __future__ import annotations

import functools
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from core.report.export import figure_language, figure_specs, report_name, report_text, result_files
from core.report.figures import on_dark
from core.report.provenance import Provenance
from core.report.rasterize import KINDS, draw_apart, packed
from core.report.study import find_study
from core.report.tables import to_csv
from core.report.text import LANGUAGES
from core.results.frame import columns, content_key
from core.runs.folder import Home

ALL_RUNS = "all_runs.csv"
_PICTURE = re.compile(r"^!\[(?P<words>[^\]]*)\]\((?P<name>[\w.]+)\.png\)$", re.MULTILINE)
_WORDS_BELOW = re.compile(r"\n\n\*[^\n]*\*\n")
_LINK_TO_FILE = re.compile(r"\[([\w.]+)\]\(\1\)")
_TABLE = re.compile(r"(?:^\|.*\|\n)+", re.MULTILINE)
_CELLS = re.compile(r"(?<!\\) ?\| ?")  # what is between them, unless it belongs to a cell
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Figure:
    """``words`` say what it shows, in the language of the report that it was found in."""

    name: str
    words: str
    spec: str

    def file(self, kind: str) -> bytes:
        """The figure as a file of ``kind``, "png" or "svg". OSError if it cannot be drawn."""
        return draw_file(self.spec, kind)

    def shown(self, dark: bool) -> str:
        """The figure as SVG for a page, which may be ``dark``. OSError if it cannot be drawn."""
        spec = packed(on_dark(json.loads(self.spec))) if dark else self.spec
        return draw_file(spec, "svg").decode()


@dataclass(frozen=True)
class Outputs:
    """``name`` is that of a folder for the files; ``texts`` are the files that are text, by name; ``specs`` the figures."""

    name: str
    runs: int
    source: Provenance
    texts: Mapping[str, str]
    specs: Mapping[str, str]

    def report(self, language: str) -> str:
        return self.texts[report_name(language)]

    def parts(self, language: str) -> Iterator[str | Figure]:
        """The report with its figures, in their order; without links to files that lie beside it only in a folder."""
        text, start = _LINK_TO_FILE.sub(r"`\1`", self.report(language)), 0
        for found in _PICTURE.finditer(text):
            if found["name"] in self.specs:
                yield text[start : found.start()]
                yield Figure(found["name"], found["words"], self.specs[found["name"]])
                below = _WORDS_BELOW.match(text, found.end())
                start = below.end() if below else found.end()
        yield text[start:]

    def figures(self, language: str) -> list[Figure]:
        return [part for part in self.parts(language) if isinstance(part, Figure)]

    def archive(self) -> bytes:
        """Every file in one ZIP. OSError if a figure cannot be drawn."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in self.texts.items():
                archive.writestr(f"{self.name}/{name}", text)
            wanted = {f"{name}.{kind}": (spec, kind) for name, spec in self.specs.items() for kind in KINDS}
            for name, drawn in zip(wanted, draw_files(tuple(wanted.values())), strict=True):
                archive.writestr(f"{self.name}/{name}", drawn)
        return content.getvalue()


def split_tables(markdown: str) -> Iterator[str | pd.DataFrame]:
    """The text with its tables, in their order; cells are Markdown."""
    start = 0
    for found in _TABLE.finditer(markdown):
        yield markdown[start : found.start()]
        head, _, *rows = (_CELLS.split(line.strip())[1:-1] for line in found[0].splitlines())
        yield pd.DataFrame(rows, columns=head)
        start = found.end()
    yield markdown[start:]


def outputs(home: Home, recipe: str, runs: pd.DataFrame) -> Outputs:
    """The files of the study of ``recipe`` under ``home``; made anew when one of its ``runs`` is another."""
    return _outputs(home.path, recipe, content_key(runs), len(runs))


@st.cache_resource(show_spinner=False, max_entries=8)
def _outputs(path: Path, recipe: str, state: int, count: int) -> Outputs:
    study = find_study(Home(path), recipe)
    drawn_in = dict.fromkeys(map(figure_language, LANGUAGES))
    specs = {name: spec for language in drawn_in for name, spec in figure_specs(study, language).items()}
    texts = result_files(study)
    beside = [Path(name) for name in (*texts, *(f"{name}.png" for name in specs))]
    reports = {report_name(language): report_text(study, language, beside) for language in LANGUAGES}
    return Outputs(
        name=study.name,
        runs=count,
        source=study.source,
        texts={**texts, ALL_RUNS: to_csv(study.frame[columns()]), **reports},
        specs={name: packed(spec) for name, spec in specs.items()},
    )


def draw_file(spec: str, kind: str) -> bytes:
    """A figure as a file of ``kind``. OSError if it cannot be drawn."""
    return draw_files(((spec, kind),))[0]


def draw_files(wanted: tuple[tuple[str, str], ...]) -> list[bytes]:
    """The same for several figures, each with its kind, in much less time than one by one."""
    with _one_at_a_time:  # two at once would take as long
        return _drawn(wanted)


@functools.lru_cache(maxsize=128)
def _drawn(wanted: tuple[tuple[str, str], ...]) -> list[bytes]:
    return draw_apart(wanted)
