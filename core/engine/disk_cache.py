"""A cache on disk of results that take long to compute, by the inputs they were computed from."""

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


def cached(folder: Path, key: Any, compute: Callable[[], Result]) -> Result:
    """The result stored in ``folder`` by ``key`` (plain data), or what ``compute`` returns if that is missing or damaged.

    Any number of processes may call this at once: an entry is written atomically, and never removed.
    (``joblib.Memory`` removes what it cannot read, also when another process has just replaced it.)
    OSError if ``folder`` cannot be made; on a full disk the result is computed again next time.
    """
    path = folder / f"{joblib.hash(key)}.pkl"
    try:
        stored: Result = _loads(path.read_bytes())
    except Exception:  # missing, damaged, or of a class that has changed since, which can raise anything
        folder.mkdir(parents=True, exist_ok=True)
    else:
        return stored
    result = compute()
    with suppress(OSError), atomic_write(path, durable=False) as file:
        file.writelines(_dumps(result))
    return result


def _dumps(value: object) -> tuple[memoryview, bytes]:
    """``value`` as bytes, and their digest."""
    body = io.BytesIO()
    joblib.dump(value, body)
    return body.getbuffer(), hashlib.sha256(body.getbuffer()).digest()


def _loads(data: bytes) -> Any:
    """The value that was dumped; ValueError if ``data`` is damaged."""
    body, digest = memoryview(data)[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("damaged")
    return joblib.load(io.BytesIO(data))  # stops at the end of the body
