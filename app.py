"""PruneScope in a browser: ``streamlit run app.py``. The frame around the pages, nothing else."""

from pathlib import Path

import streamlit as st

from core.views.words import LANGUAGES
from pages._address import read_choice, write
from pages._language import LANGUAGE, usual_language
from pages._shared import FRAMED, navigation

LOOKS = Path(__file__).parent / ".streamlit"


def choose_language() -> None:
    """A small picker at the top right; the browser's own language until somebody uses it or a link names another."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        chosen = st.segmented_control(
            "Language / 언어",
            list(LANGUAGES),
            format_func=LANGUAGES.__getitem__,
            required=True,
            key=LANGUAGE,
            label_visibility="collapsed",
            width="content",
        )
    if chosen != usual_language() or LANGUAGE in st.query_params:
        write(**{LANGUAGE: chosen})


st.session_state[FRAMED] = True
# Files of our own: an icon by name would be fetched from another server.
st.set_page_config(page_title="PruneScope", page_icon=str(LOOKS / "icon.svg"), layout="wide")
st.logo(str(LOOKS / "logo.svg"), size="large")
read_choice(LANGUAGE, LANGUAGES, usual_language())  # before the first sentence
page = navigation()
choose_language()
page.run()
