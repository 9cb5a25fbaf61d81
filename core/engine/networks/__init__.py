"""Networks that can be pruned."""
