"""Trained weights from elsewhere: each file is kept once in the home, under its SHA-256, where every worker finds it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from core.runs.atomic_io import atomic_write
from core.runs.folder import Home
from core.spec.errors import InputError

MAX_BYTES = 8 << 30
_PART = 1 << 20


def hash_weights(file: Path) -> str:
    """The SHA-256 of the file of weights; InputError for what is no file that can be read."""
    if not file.is_file():  # a pipe would never end
        raise InputError("{file} is not a file of weights: give a .safetensors or .pt file.", file=file)
    stat = file.stat()
    if stat.st_size > MAX_BYTES:
        raise InputError("{file} is too large: give at most {most} GB.", file=file, most=MAX_BYTES >> 30)
    return _hash(file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=100)
def _hash(file: Path, size: int, modified_ns: int) -> str:
    """Once for a file as it is: a page asks at every click."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError("{file} cannot be read ({reason}).", file=file, reason=error) from None


def keep_weights(home: Home, file: Path, sha256: str) -> None:
    """Copy the file of weights, whose hash is ``sha256``, into ``home``, unless it is there; InputError if that fails or the
    file is another one by now."""
    kept, found = home.imported(sha256), hashlib.sha256()
    if kept.is_file():
        return
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(kept) as copy, file.open("rb") as opened:
            while part := opened.read(_PART):
                found.update(part)
                copy.write(part)
            if found.hexdigest() != sha256:
                raise InputError("{file} has changed while it was read: try again.", file=file)
    except OSError as error:
        raise InputError(
            "{file} cannot be copied to {folder} ({reason}).", file=file, folder=kept.parent, reason=error
        ) from None
