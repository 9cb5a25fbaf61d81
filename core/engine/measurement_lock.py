"""Time a network while nothing else trains: the other runs on its GPU, or on this machine's CPU, pause for those seconds.

By two advisory file locks. Every training loop holds ``training`` shared, and whoever measures holds ``timing``
exclusively; a loop that finds ``timing`` locked releases ``training`` until it is free. The operating system releases the
locks of a process that dies.
"""

from __future__ import annotations

import fcntl
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import torch

MAX_WAIT_SECONDS = 20.0  # for training loops to pause; one in a long evaluation may not, then measure all the same
POLL_SECONDS = 0.05


def measurement_lock(cache: Path, device: torch.device) -> MeasurementLock:
    """The lock of ``device``, with its files in the folder ``cache``."""
    if device.type != "cuda":
        return MeasurementLock(cache)
    uuid = str(torch.cuda.get_device_properties(device).uuid)
    return MeasurementLock(cache, uuid, partial(torch.cuda.synchronize, device))


class MeasurementLock:
    """The two locks of a GPU of this machine, named by its UUID ``gpu``, or of the machine's CPU; files in the folder
    ``cache``. ``synchronize`` waits for what the device still has to compute."""

    def __init__(self, cache: Path, gpu: str = "", synchronize: Callable[[], object] = lambda: None) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        device = "".join(letter if letter.isalnum() else "-" for letter in f"{platform.node()} {gpu}".strip())
        self._paths = {name: cache / f"{name}-{device}.lock" for name in ("timing", "training")}
        self._synchronize = synchronize
        self.paused_seconds = 0.0  # of this object's training, for measurements of others

    @contextmanager
    def training(self) -> Iterator[IO[str]]:
        """Inside, this run counts as training. Yields the lock that :meth:`yield_to_measurement` needs."""
        with self._open("training") as training:
            fcntl.flock(training, fcntl.LOCK_SH)
            self.yield_to_measurement(training)
            yield training

    def yield_to_measurement(self, training: IO[str]) -> None:
        """Release the lock ``training`` while another process measures; cheap if none does."""
        with self._open("timing") as timing:
            if _try_lock(timing, fcntl.LOCK_SH):
                return
            self._synchronize()
            began = time.monotonic()
            fcntl.flock(training, fcntl.LOCK_UN)
            fcntl.flock(timing, fcntl.LOCK_SH)
        fcntl.flock(training, fcntl.LOCK_SH)
        self.paused_seconds += time.monotonic() - began

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Inside, no other run on the device trains, except one that did not pause within MAX_WAIT_SECONDS."""
        with self._open("timing") as timing, self._open("training") as training:
            fcntl.flock(timing, fcntl.LOCK_EX)
            deadline = time.monotonic() + MAX_WAIT_SECONDS
            while not _try_lock(training, fcntl.LOCK_EX) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            fcntl.flock(training, fcntl.LOCK_UN)  # a loop that starts now waits for ``timing`` first
            yield

    def _open(self, name: str) -> IO[str]:
        return self._paths[name].open("w")


def _try_lock(file: IO[str], operation: int) -> bool:
    try:
        fcntl.flock(file, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
