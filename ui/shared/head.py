"""The first row of every page: its title, what it is about, and the language."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import LANGUAGES, current_language
from ui.shared.i18n import LANGUAGE, browser_language
from ui.shared.url import write


def page_head(title: str) -> DeltaGenerator:
    """The title of a page and the language picker, in one row; what is between them, for what the page is about."""
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom")
    row.title(title, anchor=False, width="content")
    right = row.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", width="content")
    about = right.container(width="content")
    choose_language(right)
    return about


def choose_language(place: DeltaGenerator) -> None:
    """A small picker; the browser's own language until somebody uses it or a link names another."""
    st.session_state[LANGUAGE] = (
        current_language()
    )  # app.py read it before the menu, which let go of the last page's widgets
    chosen = place.segmented_control(
        "Language / 언어",
        list(LANGUAGES),
        format_func=LANGUAGES.__getitem__,
        required=True,
        key=LANGUAGE,
        label_visibility="collapsed",
        width="content",
    )
    if chosen != browser_language() or LANGUAGE in st.query_params:
        write(**{LANGUAGE: chosen})
