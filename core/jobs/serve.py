"""One part of a cluster of many machines, at PRUNESCOPE_SCHEDULER: ``python -m core.jobs.serve scheduler``, or ``worker``.

A scheduler or workers that Dask's own commands start would do, too; these come with the settings of the cluster at home.
Both serve until SIGTERM or Ctrl-C; workers also end when their scheduler does. docs/many-machines.md says how to use them.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

import dask

from core.i18n import Message
from core.jobs.cluster import SCHEDULER_VARIABLE, named_scheduler
from core.jobs.workers import open_workers, own_devices, settings
from core.spec.errors import InputError, invalid_value

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 300.0  # a scheduler may be started after its workers
NO_DASHBOARD = "127.0.0.1:0"  # its web server is started all the same: on a free port, for this machine only


def main(arguments: Sequence[str]) -> int:
    """Serve as what ``arguments`` say; the exit status: 0, 1 if that is impossible, 2 after bad input."""
    try:
        role, address = _checked(arguments)
        devices = own_devices() if role == "worker" else []
        with dask.config.set(settings(len(devices))):
            asyncio.run(_until_stopped(_work(address, devices) if devices else _schedule(address)))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except TimeoutError:
        print(f"No scheduler answered at {address} for {PATIENCE_SECONDS:.0f} seconds.", file=sys.stderr)
        return 1
    except RuntimeError as error:  # Dask's, around what the system says
        if not isinstance(error.__cause__, OSError):
            raise
        print(f"Cannot listen at {address}: {error.__cause__.strerror}.", file=sys.stderr)
        return 1
    return 0


def _checked(arguments: Sequence[str]) -> tuple[str, str]:
    role = " ".join(arguments)
    if role not in ("scheduler", "worker"):
        raise invalid_value("part", role, Message("scheduler or worker"))
    address = named_scheduler()
    if not address:
        raise InputError(
            "Set {scheduler_variable} to the scheduler's address, such as tcp://host:8786.",
            scheduler_variable=SCHEDULER_VARIABLE,
        )
    return role, address


async def _until_stopped(serving: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def _schedule(address: str) -> None:
    from distributed import Scheduler  # noqa: PLC0415 - the settings have to hold while it is imported

    host, _, port = address.removeprefix("tcp://").rpartition(":")
    options = {"dashboard": False, "dashboard_address": NO_DASHBOARD}
    async with Scheduler(host=host.strip("[]"), port=int(port), **options) as scheduler:
        print(f"The scheduler listens at {address}.", flush=True)
        await scheduler.finished()


async def _work(address: str, devices: Sequence[str]) -> None:
    from distributed import Status  # noqa: PLC0415 - as above

    # A worker that has lost its scheduler would wait for its run before it ends, and the others with it.
    leaving = (Status.closing_gracefully, Status.closing, Status.closed, Status.failed)
    async with open_workers(address, devices, patience=PATIENCE_SECONDS) as nannies:
        where = f"GPU {', '.join(devices)}" if devices[0] else f"{len(devices)} at once on the CPU"
        print(f"Executes what {address} hands out: {where}.", flush=True)
        while not any(nanny.status in leaving for nanny in nannies):
            await asyncio.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
