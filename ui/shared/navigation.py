"""The menu of pages, and how each page is drawn."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from core.i18n import t
from ui.shared.errors import show_errors
from ui.shared.url import enter_page

APP_STARTED = "app started"  # set by app.py in the session state


def register_pages() -> StreamlitPage:
    """The pages of the app and the menu for them; the page that the browser asks for."""
    return st.navigation(
        [
            st.Page("pages/compare.py", title=t("Compare"), icon=":material/stacked_line_chart:", default=True),
            st.Page("pages/launch.py", title=t("Launch"), icon=":material/rocket_launch:"),
            st.Page("pages/runs.py", title=t("Runs"), icon=":material/checklist:"),
            st.Page("pages/model.py", title=t("Model"), icon=":material/deployed_code:"),
            st.Page("pages/report.py", title=t("Report"), icon=":material/article:"),
        ],
        position="top",
    )


def render_page(page: Callable[[], None]) -> None:
    """Draw ``page`` with the menu of app.py; what is wrong with its input is a sentence on it.

    Until app.py has run once on a server, Streamlit takes the files in ``pages/`` for pages without it: if the first request
    is for one of them, that page registers them all and runs again, by app.py.
    """
    if APP_STARTED not in st.session_state:
        register_pages()
        st.rerun()
    enter_page(inspect.getfile(page))
    show_errors(page)()
