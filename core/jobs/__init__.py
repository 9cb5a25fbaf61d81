"""Where runs are executed: a Dask cluster, at home or anywhere. It holds no truth; the run folders do."""
