"""Read the same folders again and again, for many callers at once, at a bounded cost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
Signature = tuple[int, ...]

# At most a tenth of the time is spent on reading. Fewer folders than this are read at every call, in next to no time.
MANY = 300
_PAUSE_FACTOR, _MAX_PAUSE_SECONDS = 10.0, 2.0


class ThrottledReader(Generic[T]):
    """The value that ``read`` returned last. One thread at a time calls it, after a pause; the others get the last
    value. ``read`` returns the value and the number of folders that it read. Its errors reach the caller."""

    def __init__(self, read: Callable[[], tuple[T, int]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._last: list[T] = []  # one value, once there is one
        self._next = 0.0

    def get(self) -> T:
        """The value: read by this call, unless there are many folders and they were read a moment ago."""
        last = self._last
        if last and time.monotonic() < self._next:
            return last[0]
        # Without a value there is nothing to do but wait for one.
        if not self._lock.acquire(blocking=not last):
            return last[0]
        try:
            if self._last and self._last is not last and time.monotonic() < self._next:
                return self._last[0]  # another thread has read it meanwhile
            began = time.monotonic()
            value, count = self._read()
            ended = time.monotonic()
            self._last = [value]
            self._next = ended + (min(_PAUSE_FACTOR * (ended - began), _MAX_PAUSE_SECONDS) if count >= MANY else 0.0)
            return value
        finally:
            self._lock.release()

    def invalidate(self) -> None:
        """Make the next call read: something was just changed."""
        with self._lock:  # a value that is being read right now may be out of date already
            self._last = []


def signature(folder: Path, names: tuple[str, ...]) -> Signature:
    """Numbers that change when one of the files ``names`` in ``folder`` is written, replaced or removed; "": the folder."""
    parts: list[int] = []
    base = str(folder)
    for name in names:  # called for every run at every read: making a Path takes longer than the system call
        try:
            stat = os.stat(f"{base}/{name}" if name else base)  # noqa: PTH116
            parts += (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            parts.append(-1)
    return tuple(parts)
