"""PruneScope's core: what to run (study), how (engine), where (jobs) and how to show it (views)."""
