"""Files that survive a crash: written aside, synced, then put in place in one step."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write that takes ``path``'s place only when the block ends without an error.

    ``durable=False`` skips the syncing, for files that may be lost with the power but never be half there.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def write_json(path: Path, data: Any, *, durable: bool = True) -> None:
    """``data`` as JSON at ``path``, whole or not at all."""
    text = json.dumps(data, indent=1, allow_nan=False) + "\n"
    with replacing(path, durable=durable) as file:
        file.write(text.encode())


def append_line(path: Path, data: Any) -> None:
    """One line of JSON at the end of ``path``, synced. A torn line before it, left by a crash, is closed off first."""
    line = json.dumps(data, allow_nan=False).encode() + b"\n"
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects in ``path``, one a line; a torn or garbled line is passed over, a file that cannot be read has none."""
    try:
        raw = path.read_bytes()
    except OSError:
        return []
    objects = []
    for line in raw.split(b"\n"):
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            objects.append(data)
    return objects


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` last: without it a replaced file can come back after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """The SHA-256 of the file at ``path``, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
