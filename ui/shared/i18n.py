"""The language of the app in this browser session."""

from __future__ import annotations

import streamlit as st

from core.i18n import LANGUAGES, translator
from core.problems import translate_problem

LANGUAGE = "lang"  # in the address and in the session state, where app.py puts it


def language() -> str:
    """The language that was chosen: a key of LANGUAGES."""
    chosen = st.session_state.get(LANGUAGE)
    return str(chosen) if chosen in LANGUAGES else "en"


def browser_language() -> str:
    """What the browser is set to, if the app speaks it; else English."""
    spoken = (st.context.locale or "").split("-")[0].lower()
    return spoken if spoken in LANGUAGES else "en"


def t(sentence: str, **fields: object) -> str:
    """``sentence`` in the language of this session, with its ``{fields}`` filled in."""
    return translator(language())(sentence, **fields)


def problem_words(problem: str) -> str:
    """What the core or the system said went wrong, in the language of this session."""
    return translate_problem(problem, language())
