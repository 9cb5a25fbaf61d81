"""Time a network while nothing else trains: the other runs on this machine pause for the seconds that it takes.

Two advisory file locks make it so. Every training loop holds ``training`` shared, and whoever measures holds ``timing``
exclusively; a loop that finds ``timing`` taken lets go of ``training`` until it is free. The system frees the locks of
a process that dies.
"""

from __future__ import annotations

import fcntl
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

MAX_WAIT_SECONDS = (
    20.0  # seconds; a loop that is in a long evaluation may answer later than that: then measure all the same
)
POLL_SECONDS = 0.05


class MeasurementLock:
    """The two locks of the machine, as files in the folder ``cache``; each user of them needs an object of its own."""

    def __init__(self, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        host = "".join(letter if letter.isalnum() else "-" for letter in platform.node())
        self._paths = {name: cache / f"{name}-{host}.lock" for name in ("timing", "training")}

    @contextmanager
    def training(self) -> Iterator[IO[str]]:
        """Inside, this run counts as training. Yields what :meth:`make_way` needs."""
        with self._open("training") as training:
            fcntl.flock(training, fcntl.LOCK_SH)
            self.yield_to_measurement(training)
            yield training

    def yield_to_measurement(self, training: IO[str]) -> None:
        """Return when nobody measures; cheap if nobody does."""
        with self._open("timing") as timing:
            if _took(timing, fcntl.LOCK_SH):
                return
            fcntl.flock(training, fcntl.LOCK_UN)
            fcntl.flock(timing, fcntl.LOCK_SH)
        fcntl.flock(training, fcntl.LOCK_SH)

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Inside, no other run on this machine trains, except one that took longer than 20 s to pause."""
        with self._open("timing") as timing, self._open("training") as training:
            fcntl.flock(timing, fcntl.LOCK_EX)
            ends = time.monotonic() + MAX_WAIT_SECONDS
            while not _took(training, fcntl.LOCK_EX) and time.monotonic() < ends:
                time.sleep(POLL_SECONDS)
            fcntl.flock(training, fcntl.LOCK_UN)  # who comes now looks at ``timing`` before anything else
            yield

    def _open(self, name: str) -> IO[str]:
        return self._paths[name].open("w")


def _took(lock: IO[str], how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
