"""Scheduler or workers of a cluster of many machines: ``python -m core.jobs.serve scheduler``, or ``worker``.

Dask's own commands would do, too; these come with the configuration of the local cluster. The address is that in
PRUNESCOPE_SCHEDULER.
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
from core.jobs.workers import NO_DASHBOARD, dask_config, local_devices, open_workers
from core.spec.errors import InputError, invalid_value

POLL_SECONDS = 0.5
SCHEDULER_SECONDS = 300.0  # a scheduler may be started after its workers


def main(arguments: Sequence[str]) -> int:
    """Serve in the role that ``arguments`` name; the exit status: 0, 1 if that is impossible, 2 after bad input."""
    try:
        role, address = _parse_arguments(arguments)
        devices = local_devices() if role == "worker" else []
        with dask.config.set(dask_config(len(devices))):
            asyncio.run(_run_until_signal(_serve_workers(address, devices) if devices else _serve_scheduler(address)))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except TimeoutError:
        print(f"No scheduler answered at {address} for {SCHEDULER_SECONDS:.0f} seconds.", file=sys.stderr)
        return 1
    except RuntimeError as error:  # Dask's, around what the system says
        if not isinstance(error.__cause__, OSError):
            raise
        print(f"Cannot listen at {address}: {error.__cause__.strerror}.", file=sys.stderr)
        return 1
    return 0


def _parse_arguments(arguments: Sequence[str]) -> tuple[str, str]:
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


async def _run_until_signal(serving: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def _serve_scheduler(address: str) -> None:
    from distributed import Scheduler  # noqa: PLC0415 - imported under the Dask configuration

    host, _, port = address.removeprefix("tcp://").rpartition(":")
    async with Scheduler(host=host.strip("[]"), port=int(port), **NO_DASHBOARD) as scheduler:
        print(f"The scheduler listens at {address}.", flush=True)
        await scheduler.finished()


async def _serve_workers(address: str, devices: Sequence[str]) -> None:
    from distributed import Status  # noqa: PLC0415 - as above

    # A worker that has lost its scheduler would wait for its run before it ends, and the others with it.
    ended = (Status.closing_gracefully, Status.closing, Status.closed, Status.failed)
    async with open_workers(address, devices, timeout=SCHEDULER_SECONDS) as nannies:
        where = f"GPU {', '.join(devices)}" if devices[0] else f"{len(devices)} at once on the CPU"
        print(f"Executes what {address} hands out: {where}.", flush=True)
        while not any(nanny.status in ended for nanny in nannies):
            await asyncio.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
