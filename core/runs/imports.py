"""Trained weights from elsewhere: each file is kept once in the home, under its SHA-256, where every worker finds it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from core.runs.atomic_io import atomic_write
from core.runs.folder import Home
from core.spec.errors import InputError

MAX_BYTES = 8 << 30


def hash_weights(file: Path) -> str:
    """The SHA-256 of the file of weights; InputError for what is no file that can be read."""
    if not file.is_file():  # a pipe would never end
        raise InputError("{file} is not a file of weights: give a .safetensors or .pt file.", file=file)
    if file.stat().st_size > MAX_BYTES:
        raise InputError("{file} is too large: give at most {most} GB.", file=file, most=MAX_BYTES >> 30)
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError("{file} cannot be read ({reason}).", file=file, reason=error) from None


def keep_weights(home: Home, file: Path) -> None:
    """Copy the file of weights into ``home``, unless it is there; InputError if that fails."""
    kept = home.imported(hash_weights(file))
    if kept.is_file():
        return
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(kept) as copy, file.open("rb") as opened:
            shutil.copyfileobj(opened, copy)
    except OSError as error:
        raise InputError(
            "{file} cannot be copied to {folder} ({reason}).", file=file, folder=kept.parent, reason=error
        ) from None
