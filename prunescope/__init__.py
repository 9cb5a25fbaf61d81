"""Reads the networks that PruneScope saved: ``from prunescope import load_model``. Needs torch, safetensors and numpy alone.

What is in such a file: docs/format.md.
"""

from prunescope.model_file import ModelFileError, load_model, notes_of

__all__ = ["ModelFileError", "load_model", "notes_of"]
