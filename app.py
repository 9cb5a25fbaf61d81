"""PruneScope in a browser: ``streamlit run app.py``. The frame around the pages, nothing else."""

from pathlib import Path

import streamlit as st

LOOKS = Path(__file__).parent / ".streamlit"

# Files of our own: an icon by name would be fetched from another server.
st.set_page_config(page_title="PruneScope", page_icon=str(LOOKS / "icon.svg"), layout="wide")
st.logo(str(LOOKS / "logo.svg"), size="large")
st.navigation(
    [
        st.Page("pages/compare.py", title="Compare", icon=":material/stacked_line_chart:", default=True),
        st.Page("pages/launch.py", title="Launch", icon=":material/rocket_launch:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/checklist:"),
    ],
    position="top",
).run()
