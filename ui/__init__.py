"""What the pages are made of. Beside app.py and pages/ the only place that imports Streamlit."""
