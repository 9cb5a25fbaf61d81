"""The local cluster: one detached process with a scheduler and a worker for each GPU, or a few on the CPU.

Started by :func:`core.jobs.cluster.with_client` as ``python -m core.jobs.local_cluster HOME``. One for each home; it ends
on SIGTERM or after IDLE_SECONDS without a task, and its workers end with it, however it ends.
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
from core.jobs.workers import NO_DASHBOARD, dask_config, local_devices, open_workers
from core.runs.atomic_io import write_json
from core.runs.folder import Home
from core.runs.lease import identity
from core.spec.validate import check_float

if TYPE_CHECKING:
    from distributed import Scheduler

IDLE_VARIABLE = "PRUNESCOPE_IDLE_SECONDS"
IDLE_SECONDS = 600.0
LOOPBACK = "127.0.0.1"


def main(path: str) -> None:
    """Serve the home at ``path`` until idle or terminated; return at once if another process does so already."""
    home = Home(Path(path))
    seconds = _idle_seconds()
    with (home.cache / "cluster.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        devices = local_devices()
        with dask.config.set(dask_config(len(devices))):
            asyncio.run(_serve(home, devices, seconds))


def _idle_seconds() -> float:
    text = os.environ.get(IDLE_VARIABLE, str(IDLE_SECONDS))
    try:
        value: object = float(text)
    except ValueError:
        value = text
    return check_float(IDLE_VARIABLE, value, 1, 1e7)


async def _serve(home: Home, devices: list[str], idle_seconds: float) -> None:
    # Imported only now: under the Dask configuration, and not where another process serves already.
    from distributed import Scheduler  # noqa: PLC0415

    stopped = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
    async with Scheduler(host=LOOPBACK, **NO_DASHBOARD) as scheduler:
        try:
            while not stopped.is_set():
                async with open_workers(scheduler.address, devices, host=LOOPBACK, folder=home.cache / "workers"):
                    write_json(address_path(home), {**identity(), "address": scheduler.address})
                    await _wait_until_idle(scheduler, idle_seconds, stopped)
                if not (scheduler.unrunnable or scheduler.queued):  # no task came while the workers ended
                    break
        finally:
            address_path(home).unlink(missing_ok=True)


async def _wait_until_idle(scheduler: Scheduler, seconds: float, stopped: asyncio.Event) -> None:
    """Return when ``scheduler`` was idle for ``seconds``, or when ``stopped`` is set."""
    while not stopped.is_set():
        since = scheduler.check_idle()
        if since is not None and time.time() - since > seconds:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), min(1.0, seconds / 4))


if __name__ == "__main__":
    main(sys.argv[1])
