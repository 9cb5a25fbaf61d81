"""``python -m core``: the same runs, in the same folders, as the app launches."""
