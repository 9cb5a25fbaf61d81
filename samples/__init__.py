"""Studies that come with PruneScope."""
