"""Report: what a study found, in words, figures and tables, to read here and to take along."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import current_language, t, tn
from core.report.export import figure_language, report_name
from core.report.rasterize import KINDS
from core.report.tables import escape_markdown
from core.results.frame import study_frame
from ui.report.files import ALL_RUNS, Figure, Outputs, outputs, split_tables
from ui.shared.components import page_head, show_empty_state
from ui.shared.errors import USER_ERRORS, describe, show_error
from ui.shared.study_picker import find_studies, select_study, show_sample_banner
from ui.shared.url import read_choice, write_if_chosen

PARTS = ("report", "figures", "tables")
REPORTS = {"en": "Report (English)", "ko": "보고서 (한국어)"}  # languages are called by their own names
MIME = {
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "png": "image/png",
    "svg": "image/svg+xml",
    "tex": "application/x-tex",
    "zip": "application/zip",
}


def page() -> None:
    head = page_head(t("Report"))
    found = find_studies()
    if not found.labels:
        show_empty_state(
            t("There is nothing to report yet"),
            t("Launch a study. When its first runs are done, their tables, figures and a report are here."),
        )
        return
    key = select_study(found, head)
    with st.spinner(t("Reading the study…")):
        made = outputs(found.home(key), key, study_frame(found.frame(key), key))
    if found.is_sample(key):
        show_sample_banner(key, alone=found.own.empty)
    else:
        show_provenance(made)
    files, content = st.columns([2, 7], gap="medium")  # one above the other in a narrow window
    with files:
        show_downloads(made)
    with content:
        show_font_hint()
        show_part(made)


def show_provenance(made: Outputs) -> None:
    synthetic = made.source.synthetic
    drawn = f":orange-badge[:material/draw: {t('drawn pictures, not photographs')}] " if synthetic else ""
    caption = " · ".join(made.source.caption()[1 if synthetic else 0 :])
    runs = tn("1 run", "{n} runs", made.runs)
    st.markdown(f":small[{drawn}:gray[{escape_markdown(caption)} · {runs}]]")


def show_downloads(made: Outputs) -> None:
    """Every file of the study, and all of them in one."""
    with st.container(border=True):
        offer(t("Everything as ZIP"), f"{made.name}.zip", made.archive, main=True)
        with st.container(horizontal=True, gap="small"):
            for spoken, label in REPORTS.items():
                offer_text(made, report_name(spoken), label)
            for name, label in result_labels().items():
                offer_text(made, name, label)
        st.caption(
            t(
                "Every number comes from the records of the runs. Figures are drawn when you ask for "
                "them: the ZIP takes some seconds the first time.",
            )
        )


def show_font_hint() -> None:
    if figure_language(current_language()) != current_language():
        st.caption(
            t(
                "The figures are in English, because no font on this computer has Korean letters: install one, such as "
                "NanumGothic (on Debian and Ubuntu: `apt install fonts-nanum`), and start the app again."
            )
        )


def result_labels() -> dict[str, str]:
    return {
        "efficiency_table.csv": t("Table, CSV"),
        "efficiency_table.md": t("Table, Markdown"),
        "efficiency_table.tex": t("Table, LaTeX"),
        ALL_RUNS: t("All runs, CSV"),
        "all_results.json": t("All results, JSON"),
    }


def show_part(made: Outputs) -> None:
    names = {"report": t("Report"), "figures": t("Figures"), "tables": t("Tables")}
    read_choice("part", PARTS, PARTS[0])
    part = st.segmented_control(
        t("Show"), PARTS, format_func=names.__getitem__, required=True, key="part", label_visibility="collapsed"
    )
    write_if_chosen(part=(part, PARTS[0]))
    if part == "tables":
        show_tables(made)
    elif part == "figures":
        show_figures(made.figures(current_language()))
    else:
        show_report(made)


def show_report(made: Outputs) -> None:
    """The words at once, the figures as they are drawn."""
    waiting: list[tuple[DeltaGenerator, Figure]] = []
    with st.container(border=True):
        for part in made.parts(current_language()):
            if isinstance(part, str):
                show_text(part)
            else:
                waiting.append((st.empty(), part))
    for place, figure in waiting:
        draw(place, figure)


def show_text(markdown: str) -> None:
    """Text with tables that scroll by themselves where they are too wide for the window."""
    for part in split_tables(markdown):
        if isinstance(part, pd.DataFrame):
            st.table(part, hide_index=True, border="horizontal")
        elif part.strip():
            st.markdown(part)


def show_figures(figures: list[Figure]) -> None:
    places = []
    for figure in figures:
        with st.container(border=True):
            places.append(st.empty())
            with st.container(horizontal=True):
                for kind in KINDS:
                    offer(kind.upper(), f"{figure.name}.{kind}", partial(figure.file, kind))
    for place, figure in zip(places, figures, strict=True):
        draw(place, figure)


def draw(place: DeltaGenerator, figure: Figure) -> None:
    """The figure, on a dark page in its colours; a sentence if it cannot be drawn."""
    try:
        with place, st.spinner(t("Drawing…")):
            content = figure.shown(dark=st.context.theme.type == "dark")
    except USER_ERRORS as error:
        with place:
            show_error(describe(error))
        return
    place.image(content, caption=figure.words, alt=figure.words, width="stretch")


def show_tables(made: Outputs) -> None:
    st.subheader(t("Efficiency table"), anchor=False)
    show_text(made.texts["efficiency_table.md"])
    st.subheader(t("All runs"), anchor=False)
    st.dataframe(pd.read_csv(io.StringIO(made.texts[ALL_RUNS])), hide_index=True, placeholder="—")


def offer_text(made: Outputs, name: str, label: str) -> None:
    offer(label, name, made.texts[name].encode)


def offer(label: str, name: str, content: Callable[[], bytes], main: bool = False) -> None:
    """A button for a file that is made when it is asked for."""
    st.download_button(
        label,
        data=content,
        file_name=name,
        mime=MIME[name.rpartition(".")[2]],
        key=f"download {name}",
        on_click="ignore",
        icon=":material/folder_zip:" if main else ":material/download:",
        type="primary" if main else "secondary",
    )
