"""The language of the app in this browser session."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.i18n import LANGUAGES, set_language_source

LANGUAGE = "lang"  # in the address and in the session state, where app.py puts it


def session_language() -> str | None:
    """The language that was chosen in this browser session; None outside of one."""
    return st.session_state.get(LANGUAGE) if get_script_run_ctx(suppress_warning=True) else None


def browser_language() -> str:
    """What the browser is set to, if the app speaks it; else English."""
    spoken = (st.context.locale or "").split("-")[0].lower()
    return spoken if spoken in LANGUAGES else "en"


set_language_source(session_language)
