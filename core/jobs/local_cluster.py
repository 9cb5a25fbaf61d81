"""The cluster at home: one detached process with a scheduler and a worker for each GPU, or a few on the CPU.

Started by :func:`core.jobs.cluster.call` as ``python -m core.jobs.local_cluster HOME``. There is one for each home; it
ends on SIGTERM or when nothing was executed for a while, and its workers end with it, however it ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import dask

from core.jobs.cluster import address_path
from core.jobs.workers import open_workers, own_devices, settings
from core.runs.atomic_io import write_json
from core.runs.folder import Home
from core.runs.lease import identity
from core.spec.validate import check_float

if TYPE_CHECKING:
    from distributed import Scheduler

IDLE_VARIABLE = "PRUNESCOPE_IDLE_SECONDS"
IDLE_SECONDS = 600.0
LOOPBACK = "127.0.0.1"
NO_DASHBOARD = f"{LOOPBACK}:0"  # its web server is started all the same: on a free port, for this machine only


def main(path: str) -> None:
    """Serve the home at ``path`` until idle or told to stop; return at once if another process does so already."""
    home = Home(Path(path))
    seconds = _idle_seconds()
    with (home.cache / "cluster.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        devices = own_devices()
        with dask.config.set(settings(len(devices))):
            asyncio.run(_serve(home, devices, seconds))


def _idle_seconds() -> float:
    text = os.environ.get(IDLE_VARIABLE, str(IDLE_SECONDS))
    try:
        value: object = float(text)
    except ValueError:
        value = text
    return check_float(IDLE_VARIABLE, value, 1, 1e7)


async def _serve(home: Home, devices: list[str], idle_seconds: float) -> None:
    # Imported only now: a process that is not needed has left before, and the settings hold while it is imported.
    from distributed import Scheduler  # noqa: PLC0415

    stopped = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
    async with Scheduler(host=LOOPBACK, dashboard=False, dashboard_address=NO_DASHBOARD) as scheduler:
        try:
            while not stopped.is_set():
                async with open_workers(scheduler.address, devices, host=LOOPBACK, folder=home.cache / "workers"):
                    write_json(address_path(home), {**identity(), "address": scheduler.address})
                    await _idle(scheduler, idle_seconds, stopped)
                if not (scheduler.unrunnable or scheduler.queued):  # nothing came while the workers were leaving
                    break
        finally:
            address_path(home).unlink(missing_ok=True)


async def _idle(scheduler: Scheduler, seconds: float, stopped: asyncio.Event) -> None:
    """Return when ``scheduler`` had nothing to do for ``seconds``, or when ``stopped`` is set."""
    while not stopped.is_set():
        since = scheduler.check_idle()
        if since is not None and time.time() - since > seconds:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), min(1.0, seconds / 4))


if __name__ == "__main__":
    main(sys.argv[1])
