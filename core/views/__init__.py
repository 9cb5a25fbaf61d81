"""How results are shown: pure functions from a DataFrame to charts, tables and text."""
