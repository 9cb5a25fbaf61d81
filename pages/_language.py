"""The language of the app in this browser session."""

from __future__ import annotations

import streamlit as st

from core.views.words import LANGUAGES, translator

LANGUAGE = "language"  # in the session state, set by app.py


def language() -> str:
    """The language that was chosen: a key of LANGUAGES, English at first."""
    chosen = st.session_state.get(LANGUAGE)
    return chosen if chosen in LANGUAGES else "en"


def t(sentence: str, **fields: object) -> str:
    """``sentence`` in the language of this session, with its ``{fields}`` filled in."""
    return translator(language())(sentence, **fields)
