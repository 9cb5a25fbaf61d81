"""Results that take long to make, kept in the cache by what they were made from."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import joblib

from core.runs.atomic_io import atomic_write

Result = TypeVar("Result")
_DIGEST_BYTES = hashlib.sha256().digest_size


def cached(folder: Path, key: Any, make: Callable[[], Result]) -> Result:
    """What ``folder`` keeps by ``key``, plain data; or what ``make`` returns, kept there if it is missing or damaged.

    Any number of processes may do this at once and each gets a good one: an entry is put in place as a whole, and none
    is ever removed. (``joblib.Memory`` removes what it cannot read, also when another process has just made it anew.)
    OSError if ``folder`` cannot be made; a disk that is full only means that the result is made again next time.
    """
    path = folder / f"{joblib.hash(key)}.pkl"
    try:
        kept: Result = _unpacked(path.read_bytes())
    except Exception:  # missing, damaged, or of a class that has changed since, which can raise anything
        folder.mkdir(parents=True, exist_ok=True)
    else:
        return kept
    made = make()
    with suppress(OSError), atomic_write(path, durable=False) as file:
        file.writelines(_packed(made))
    return made


def _packed(value: object) -> tuple[memoryview, bytes]:
    """``value`` as bytes and their digest: not that of the value, which may depend on how it lies in memory."""
    body = io.BytesIO()
    joblib.dump(value, body)
    return body.getbuffer(), hashlib.sha256(body.getbuffer()).digest()


def _unpacked(data: bytes) -> Any:
    """What was packed; ValueError if ``data`` is not what was written."""
    body, digest = memoryview(data)[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("damaged")
    return joblib.load(io.BytesIO(data))  # reads as far as the body goes
