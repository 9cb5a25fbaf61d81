"""Connect to the cluster: the one that PRUNESCOPE_SCHEDULER names, else the local one, started where it is missing."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from core.i18n import Message
from core.runs.atomic_io import parse_object
from core.runs.folder import REPOSITORY, Home
from core.runs.lease import is_alive
from core.spec.errors import InputError, invalid_value

if TYPE_CHECKING:
    from distributed import Client

SCHEDULER_VARIABLE = "PRUNESCOPE_SCHEDULER"
START_SECONDS = 60.0
CONNECT_SECONDS = 4.0
CALL_SECONDS = 60.0
STOP_SECONDS = 15.0
_ADDRESS = re.compile(r"tcp://([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")
_T = TypeVar("_T")


def with_client(home: Home, work: Callable[[Client], Coroutine[Any, Any, _T]]) -> _T:
    """What ``work`` returns, given an asynchronous Dask client of the cluster that executes the runs of ``home``.
    InputError if the cluster can be neither reached nor started, OSError if it goes away during the call. For any
    thread that has no running event loop; nothing is left open afterwards."""
    named = check_scheduler()
    address = named or _local_scheduler(home)

    async def connect_and_work() -> _T:
        async with asyncio.timeout(CALL_SECONDS), _client(address) as client:
            if named:
                await _check_environment(client, home.checkpoints)
            return await work(client)

    return _run(connect_and_work())


def check_scheduler() -> str:
    """What :func:`named_scheduler` returns; InputError also if no scheduler answers there."""
    address = named_scheduler()
    if address and not _is_reachable(address):
        raise InputError(
            "No scheduler answers at {variable} = {address}: start it (python -m core.jobs.serve scheduler), correct "
            "the address, or unset the variable to run on this computer.",
            variable=SCHEDULER_VARIABLE,
            address=address,
        )
    return address


def named_scheduler() -> str:
    """The address in PRUNESCOPE_SCHEDULER, empty if there is none; InputError if it is malformed."""
    address = os.environ.get(SCHEDULER_VARIABLE, "").strip()
    if address and not _ADDRESS.fullmatch(address):
        raise invalid_value(SCHEDULER_VARIABLE, address, Message("an address such as tcp://host:8786"))
    return address


def stop_cluster(home: Home) -> bool:
    """End the local cluster and wait for that; running runs are interrupted. False if there was none."""
    cluster = _read_address(home)
    if not is_alive(cluster):
        return False
    with suppress(psutil.NoSuchProcess):  # it may end by itself meanwhile
        process = psutil.Process(cluster["pid"])
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
    return True


def address_path(home: Home) -> Path:
    """The record of the local cluster's process and address."""
    return home.cache / "cluster.json"


def _local_scheduler(home: Home) -> str:
    log = home.cache / "cluster.log"
    starter: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        cluster = _read_address(home)
        ended = 0 if starter is None else starter.poll()
        if is_alive(cluster):
            if _is_reachable(cluster["address"]):
                return str(cluster["address"])
        elif ended is not None and ended <= 0:  # 0: another process had the lock at that moment; below: it was killed
            starter = _start_local_cluster(home, log)
        elif ended is not None:
            raise InputError("The process that executes runs could not be started: look at the end of {log}.", log=log)
        time.sleep(0.1)
    raise InputError("The process that executes runs does not answer: look at the end of {log}.", log=log)


def _start_local_cluster(home: Home, log: Path) -> subprocess.Popen[bytes]:
    home.prepare()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.jobs.local_cluster", str(home.path.resolve())],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in the terminal and the end of the app are not meant for it
        )
    # Reap it whenever it ends: it would stay a zombie otherwise.
    threading.Thread(target=process.wait, name="local cluster", daemon=True).start()
    return process


async def _check_environment(client: Client, folder: Path) -> None:
    """InputError unless scheduler and workers can import this package, and the workers have ``folder`` too."""
    remedy = Message("start it in PruneScope's folder, with the packages of requirements.txt")
    try:
        await client.run_on_scheduler(_is_folder, str(folder))
    except ImportError as error:
        raise InputError(
            "The scheduler cannot load PruneScope ({reason}): {remedy}.", reason=error, remedy=remedy
        ) from None
    for worker, result in (await client.run(_is_folder, str(folder), on_error="return")).items():
        if isinstance(result, OSError):  # it went away, and the scheduler gives its runs to others
            continue
        if isinstance(result, Exception):
            raise InputError(
                "The worker {worker} cannot load PruneScope ({reason}): {remedy}.",
                worker=worker,
                reason=result,
                remedy=remedy,
            )
        if not result:
            raise InputError(
                "The worker {worker} does not see {folder}: both computers must share it under this path.",
                worker=worker,
                folder=folder,
            )


def _client(address: str) -> Client:
    from distributed import Client  # noqa: PLC0415 - takes a second, and most pages do not need it

    for name in ("distributed", "distributed.client"):  # errors are raised: tracebacks in the log add nothing
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return Client(address, asynchronous=True, timeout=CONNECT_SECONDS, set_as_default=False)


def _is_reachable(address: str) -> bool:
    """Whether a scheduler completes a handshake: Client would wait for ever where something listens but never answers."""
    from distributed.comm import connect  # noqa: PLC0415 - as above

    async def shake_hands() -> None:
        comm = await asyncio.wait_for(connect(address, timeout=CONNECT_SECONDS), CONNECT_SECONDS)
        await comm.close()

    try:
        _run(shake_hands())
    except Exception:  # a server that is not Dask's may answer anything
        return False
    return True


def _run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    # With a factory, the thread's own event loop, if it has one, is left alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(coroutine)


def _is_folder(folder: str) -> bool:
    return Path(folder).is_dir()


def _read_address(home: Home) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return parse_object(address_path(home).read_bytes())
    return {}
