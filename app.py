"""PruneScope in a browser: ``streamlit run app.py``. The frame around the pages, nothing else."""

from pathlib import Path

import streamlit as st

from core.i18n import LANGUAGES
from ui.shared.i18n import LANGUAGE, browser_language
from ui.shared.navigation import APP_STARTED, register_pages
from ui.shared.url import read_choice

ASSETS = Path(__file__).parent / ".streamlit"

st.session_state[APP_STARTED] = True
# Files of our own: an icon by name would be fetched from another server.
st.set_page_config(page_title="PruneScope", page_icon=str(ASSETS / "icon.svg"), layout="wide")
st.logo(str(ASSETS / "logo.svg"), size="large")
read_choice(LANGUAGE, LANGUAGES, browser_language())  # before the first sentence
register_pages().run()
