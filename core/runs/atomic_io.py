"""Files that survive a crash: written beside, synced, then renamed in one step; and records with checksums."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from core.spec.errors import InputError

MAX_RECORD_BYTES = 64 << 20  # bytes; the journal of 10,000 epochs has 4 MB
MAX_TIME = 4e9  # the year 2096: a later time is garbled, and might not fit into a date
_CHECKSUM = "record_sha256"


@contextmanager
def atomic_write(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write that takes ``path``'s place only when the block ends without an error. ``durable=False`` skips
    the syncing, for files that may be lost with the power but never be half there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # the file that the caller knows
        raise
    if durable:
        sync_folder(path.parent)


def write_json(path: Path, data: Any, *, durable: bool = True) -> None:
    """``data`` as JSON at ``path``, whole or not at all. For records: a folder in the way is quarantined."""
    text = json.dumps(data, indent=1, allow_nan=False) + "\n"
    clear_path(path)
    with atomic_write(path, durable=durable) as file:
        file.write(text.encode())


def append_line(path: Path, data: dict[str, Any]) -> None:
    """``data``, with its checksum, as one line at the end of ``path``, synced; after a torn line, left by a crash, it begins
    a new one. OSError if the disk refuses or ``path`` is not a plain file."""
    line = json.dumps(with_checksum(data)).encode() + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            line = b"\n" + line
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects in ``path``, one a line; a torn or altered line is passed over, a file that cannot be read has none."""
    try:
        raw = read_regular_file(path)
    except OSError:
        return []
    objects = []
    for line in raw.split(b"\n"):
        with suppress(ValueError):
            objects.append(parse_object(line))
    return objects


def with_checksum(data: dict[str, Any]) -> dict[str, Any]:
    """``data`` as JSON will give it back, with a SHA-256 of itself, by which :func:`parse_object` finds any change."""
    rest: dict[str, Any] = json.loads(json.dumps(data, allow_nan=False))
    return {**rest, _CHECKSUM: _digest(rest)}


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in ``raw``, without its checksum. InputError, with the reason, if it is none or was altered. A
    record without a checksum, as a person may write it, is accepted."""
    try:
        data = json.loads(raw)
        if b"\\ud" in raw.lower():  # half a character, which no page could show
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise InputError("it is not JSON") from None
    if not isinstance(data, dict):
        raise InputError("it is not an object")
    checksum = data.pop(_CHECKSUM, None)
    if checksum is not None and checksum != _digest(data):
        raise InputError("it was altered after it was written")
    return data


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(_CANONICAL.encode(data).encode()).hexdigest()


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def read_regular_file(path: Path) -> bytes:
    """The content of a record. OSError if it cannot be read or is not a plain file: a link could lead into another run's
    folder, a pipe would never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link") from None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        if status.st_size > MAX_RECORD_BYTES:
            raise OSError(errno.EFBIG, "it is too large")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def quarantine(path: Path) -> Path:
    """Rename what is damaged to an unused ``<name>.damaged``; the new path."""
    return path.replace(unused_path(path.with_name(f"{path.name}.damaged")))


def unused_path(path: Path) -> Path:
    """``path`` if nothing is there, else the first of ``<path>-2``, ``<path>-3`` and so on where nothing is."""
    number, unused = 1, path
    while os.path.lexists(unused):
        number += 1
        unused = path.with_name(f"{path.name}-{number}")
    return unused


def clear_path(path: Path) -> None:
    """Quarantine a folder that lies where a record belongs. Never called for a path that a person chose."""
    if path.is_dir() and not path.is_symlink():
        quarantine(path)


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


def modified(path: Path) -> float:
    """When ``path`` was modified, in seconds since 1970, within 0 and MAX_TIME."""
    return min(max(path.stat().st_mtime, 0.0), MAX_TIME)
