"""Looking at the same folders again and again, by many at once, without doing the work each time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
Signature = tuple[int, ...]

# Of the time that passes, at most a tenth is spent on looking. A look at fewer folders than this takes next to none.
MANY = 300
_PAUSE, _MAX_PAUSE_SECONDS = 10.0, 2.0


class ThrottledReader(Generic[T]):
    """What ``look`` found last. It is called anew when it is time to, by one thread; the others go on with what they have.

    ``look`` returns what it found and at how many folders it looked. Its errors reach whoever called.
    """

    def __init__(self, look: Callable[[], tuple[T, int]]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._found: list[T] = []  # one, once there is one
        self._next = 0.0

    def get(self) -> T:
        """What was found: by this call, unless there are many folders and somebody has just looked."""
        found = self._found
        if found and time.monotonic() < self._next:
            return found[0]
        # Who has nothing yet must wait for it.
        if not self._lock.acquire(blocking=not found):
            return found[0]
        try:
            if self._found and self._found is not found and time.monotonic() < self._next:
                return self._found[0]  # somebody has looked meanwhile
            began = time.monotonic()
            value, count = self._look()
            took = time.monotonic() - began
            self._found = [value]
            self._next = began + took + (min(_PAUSE * took, _MAX_PAUSE_SECONDS) if count >= MANY else 0.0)
            return value
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Let the next call look, whoever looked before: something was just changed."""
        with self._lock:  # also what is being found right now may be old already
            self._found = []


def signature(folder: Path, names: tuple[str, ...]) -> Signature:
    """What changes when one of the files ``names`` of ``folder`` is written, replaced or removed; "" is the folder."""
    parts: list[int] = []
    base = str(folder)
    for name in names:  # called for every run on every look: no Path is made, which takes longer than asking the disk
        try:
            stat = os.stat(f"{base}/{name}" if name else base)  # noqa: PTH116
            parts += (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            parts.append(-1)
    return tuple(parts)
