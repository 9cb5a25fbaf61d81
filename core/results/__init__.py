"""All finished runs: one frame, statistics over seeds, Pareto fronts, sensitivity curves."""
