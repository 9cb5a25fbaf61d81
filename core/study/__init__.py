"""What to run and what came out: specs, grids, run folders, results. Never imports torch or Streamlit."""
