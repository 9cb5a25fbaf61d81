"""PruneScope in a browser: ``streamlit run app.py``. The frame around the pages, nothing else."""

from pathlib import Path

import streamlit as st

from core.i18n import LANGUAGES
from ui.shared.i18n import LANGUAGE, browser_language
from ui.shared.services import FRAMED, navigation
from ui.shared.url import read_choice

LOOKS = Path(__file__).parent / ".streamlit"

st.session_state[FRAMED] = True
# Files of our own: an icon by name would be fetched from another server.
st.set_page_config(page_title="PruneScope", page_icon=str(LOOKS / "icon.svg"), layout="wide")
st.logo(str(LOOKS / "logo.svg"), size="large")
read_choice(LANGUAGE, LANGUAGES, browser_language())  # before the first sentence
navigation().run()
