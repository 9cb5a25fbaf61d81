"""Report: what a study found, in words, figures and tables, to read here and to download."""

from __future__ import annotations

from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import LANGUAGES, current_language, t, tn, use_language
from core.report.build import localized_table
from core.report.export import figure_language, report_name
from core.report.markdown import escape_markdown
from core.report.model import Figure
from core.report.rasterize import FORMATS
from core.results.frame import study_frame
from ui.report.files import ALL_RUNS, StudyFiles, study_files
from ui.report.render import render_report, render_table
from ui.shared.components import download_button, page_head, select, show_empty_state, toggle
from ui.shared.errors import USER_ERRORS, describe, show_error
from ui.shared.study_picker import find_studies, select_study, show_sample_banner


def page() -> None:
    head = page_head(t("Report"))
    studies = find_studies()
    if not studies.labels:
        show_empty_state(
            t("There is nothing to report yet"),
            t("Launch a study. When its first runs are done, their tables, figures and a report are here."),
        )
        return
    key = select_study(studies, head)
    with st.spinner(t("Reading the study…")):
        files = study_files(studies.home(key), key, study_frame(studies.frame(key), key))
    if studies.is_sample(key):
        show_sample_banner(key, alone=studies.own.empty)
    else:
        show_provenance(files)
    left, right = st.columns([2, 7], gap="medium")  # one above the other in a narrow window
    with left:
        show_downloads(files)
    with right:
        show_font_hint()
        show_part(files)


def show_provenance(files: StudyFiles) -> None:
    source, runs = files.source, tn("1 run", "{n} runs", len(files.runs))
    badge = f":orange-badge[:material/draw: {t('drawn pictures, not photographs')}] " if source.synthetic else ""
    st.markdown(f":small[{badge}:gray[{escape_markdown(source.summary())} · {runs}]]")


def report_label(language: str) -> str:
    """What to call the report in ``language``, in that language itself."""
    with use_language(language):
        return t("Report ({language})", language=LANGUAGES[language])


def show_downloads(files: StudyFiles) -> None:
    """Every file of the study, and all of them in one."""
    with st.container(border=True):
        download_button(t("Everything as ZIP"), f"{files.name}.zip", files.archive, primary=True)
        with st.container(horizontal=True, gap="small"):
            labels = {report_name(language): report_label(language) for language in LANGUAGES} | result_labels()
            for name, label in labels.items():
                download_button(label, name, files.texts[name].encode)
        st.caption(
            t(
                "Every number comes from the records of the runs. Figures are drawn when you ask for them: the ZIP "
                "takes some seconds the first time."
            )
        )


def show_font_hint() -> None:
    if figure_language(current_language()) != current_language():
        st.caption(
            t(
                "The figures are in English, because no font on this computer has Korean letters: install one, such "
                "as NanumGothic (on Debian and Ubuntu: `apt install fonts-nanum`), and start the app again."
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


def show_part(files: StudyFiles) -> None:
    names = {"report": t("Report"), "figures": t("Figures"), "tables": t("Tables")}
    part = select(st.segmented_control, t("Show"), "part", names, "report", label_visibility="collapsed")
    if part == "tables":
        show_tables(files)
    elif part == "figures":
        show_figures(files)
    else:
        show_report(files)


def show_report(files: StudyFiles) -> None:
    """The words at once, the figures as they are drawn."""
    with st.container(border=True):
        places = render_report(files.reports[current_language()])
    for place, figure in places:
        render_figure(place, files, figure)


def show_figures(files: StudyFiles) -> None:
    help_text = t("Off: without title and origin, for a paper, which has its captions below.")
    titles = toggle(st.container(), t("Titles"), "titles", True, help=help_text)
    places = []
    for figure in files.figures(current_language()):
        with st.container(border=True):
            places.append((st.empty(), figure))
            with st.container(horizontal=True):
                for kind in FORMATS:
                    draw = partial(files.figure, figure.name, kind, titles=titles)
                    download_button(kind.upper(), f"{figure.name}.{kind}", draw)
    for place, figure in places:
        render_figure(place, files, figure, titles=titles)


def render_figure(place: DeltaGenerator, files: StudyFiles, figure: Figure, *, titles: bool = True) -> None:
    """The figure, on a dark page in its colours; a sentence if it cannot be drawn."""
    try:
        with place, st.spinner(t("Drawing…")):
            content = files.figure_on_page(figure.name, dark=st.context.theme.type == "dark", titles=titles)
    except USER_ERRORS as error:
        with place:
            show_error(describe(error))
        return
    place.image(content, caption=escape_markdown(figure.caption), alt=figure.caption, width="stretch")


def show_tables(files: StudyFiles) -> None:
    st.subheader(t("Efficiency table"), anchor=False)
    render_table(localized_table(files.efficiency, files.source.names()))
    st.subheader(t("All runs"), anchor=False)
    st.dataframe(files.runs, hide_index=True, placeholder="—")
