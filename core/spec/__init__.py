"""What can be run: methods, networks, presets and the spec of a run, all checked when built. Imports nothing heavy."""
