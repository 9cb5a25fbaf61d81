"""One run's folder: spec, journal, result, lease; and how the runs of a home stand."""
