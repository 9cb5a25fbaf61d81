"""The workers of this machine: how many there are and how they are configured. Never imports torch."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dask.system import CPU_COUNT

from core.jobs.cluster import SCHEDULER_VARIABLE
from core.jobs.system_load import nvidia_smi
from core.spec.validate import check_int

if TYPE_CHECKING:
    from distributed import Nanny

# Runs at once on a CPU: two trainings with one thread each do more than one with two threads (2,102 images a second
# together against 1,762 at width 8, 76 against 73 at width 64), and most so where operations are short.
MAX_CPU_WORKERS = 4
WORKERS_VARIABLE = "PRUNESCOPE_WORKERS"
# Of a Scheduler, whose web server is started all the same: on a free port, for this machine only.
NO_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
BYTES_PER_CPU_WORKER = 3 * 2**30  # what a run of the full width may take


@cache
def runs_at_once() -> int:
    """How many workers the local cluster has; 1 where PRUNESCOPE_SCHEDULER names another one, which may have more."""
    named = os.environ.get(SCHEDULER_VARIABLE, "").strip()
    return 1 if named else len(visible_gpus()) or cpu_workers()


def local_devices() -> list[str]:
    """CUDA_VISIBLE_DEVICES for each worker of this machine; empty for one on the CPU, which then finds no GPU."""
    return visible_gpus() or [""] * cpu_workers()


def visible_gpus() -> list[str]:
    """CUDA_VISIBLE_DEVICES for each GPU, or MIG instance of one, that may be used; empty without a GPU."""
    devices = _parse_gpus("\n".join(nvidia_smi("-L", timeout=30)))
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return devices
    # CUDA ignores what follows the first entry that is not valid, and "-1" is the usual way to say none.
    return list(takewhile(lambda name: name not in ("", "-1"), map(str.strip, chosen.split(","))))[: len(devices)]


def _parse_gpus(listing: str) -> list[str]:
    """The devices of what ``nvidia-smi -L`` printed: GPUs by index, or where MIG divides any, instances and GPUs by UUID."""
    gpus = re.findall(r"^GPU (\d+): .*\(UUID: (.+)\)((?:\n +MIG .*)*)", listing, re.MULTILINE)
    divided = any(instances for *_, instances in gpus)  # CUDA then counts in another way than nvidia-smi
    devices: list[str] = []
    for index, uuid, instances in gpus:
        devices += re.findall(r"UUID: (MIG-[^)]+)", instances) or [uuid if divided else index]
    return devices


def cpu_workers() -> int:
    """How many runs are executed at once without a GPU: PRUNESCOPE_WORKERS if set, else as many as cores and memory
    allow, at most MAX_CPU_WORKERS. InputError if the variable is not a whole number."""
    named = os.environ.get(WORKERS_VARIABLE, "").strip()
    if named:
        workers: int = check_int(WORKERS_VARIABLE, int(named) if named.isdecimal() else named, 1, 256)
        return workers
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # not on every system
        memory = BYTES_PER_CPU_WORKER
    cores: int = CPU_COUNT
    return max(1, min(cores, MAX_CPU_WORKERS, memory // BYTES_PER_CPU_WORKER))


def dask_config(workers: int) -> dict[str, Any]:
    """Dask's configuration for a process with a scheduler or ``workers``. The environment may set other thread counts."""
    threads = max(1, CPU_COUNT // max(1, workers))
    return {
        "logging": {"distributed": "warning"},
        "distributed.nanny.pre-spawn-environ": {
            "DASK_LOGGING__DISTRIBUTED": "warning",
            # Dask's own choice is one thread.
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads),
        },
        "distributed.admin.tick.interval": "1s",  # Dask's own choice wakes every process 50 times a second
        "distributed.worker.daemon": False,  # a daemonic process could not start any itself
        "distributed.worker.profile.enabled": False,  # samples every 10 ms, at the training loop's cost
        "distributed.scheduler.worker-ttl": None,  # would kill a worker that is busy for long
        "distributed.scheduler.allowed-failures": 1_000_000,  # the task counts starts in the run folder
        "distributed.diagnostics.nvml": False,  # would open the GPU in every process
    }


@asynccontextmanager
async def open_workers(
    scheduler_address: str,
    devices: Sequence[str],
    *,
    host: str | None = None,
    folder: Path | None = None,
    timeout: float | None = None,
) -> AsyncIterator[list[Nanny]]:
    """A worker for each of ``devices``, in a process of its own; all are killed at the end, with whatever they execute.
    ``host``: where they listen, by default on every interface. ``folder``: for their scratch files, by default the
    system's. ``timeout``: seconds to wait for the scheduler, by default for ever; TimeoutError after that."""
    from distributed import Nanny  # noqa: PLC0415 - takes a second; imported under the Dask configuration

    nannies = [
        Nanny(
            scheduler_address,
            host=host,
            nthreads=1,
            memory_limit=0,  # with a limit the nanny would kill a run that comes close to it
            local_directory=folder and str(folder),
            env={"CUDA_VISIBLE_DEVICES": device},
            death_timeout=timeout,
        )
        for device in devices
    ]
    try:
        await asyncio.gather(*nannies)
        yield nannies
    finally:  # a run can be killed at any moment: do not wait for it
        await asyncio.gather(*(nanny.close(timeout=2) for nanny in nannies))
