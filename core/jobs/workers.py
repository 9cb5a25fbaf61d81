"""How many runs this machine executes at once. Never imports torch."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from itertools import takewhile

from dask.system import CPU_COUNT

from core.jobs.cluster import SCHEDULER_VARIABLE
from core.study.checks import whole_number

# Runs at once on a CPU: two trainings with one thread each do twice the work of one with two threads (2 x 600 against
# 715 images a second at width 8, 2 x 19 against 30 at width 64).
MOST_CPU_WORKERS = 4
WORKERS_VARIABLE = "PRUNESCOPE_WORKERS"
BYTES_PER_CPU_WORKER = 3 * 2**30  # what a run of the full width may take


@cache
def runs_at_once() -> int:
    """How many workers the home cluster has; 1 where PRUNESCOPE_SCHEDULER names another one, which may have more."""
    named = os.environ.get(SCHEDULER_VARIABLE, "").strip()
    return 1 if named else len(visible_gpus()) or cpu_workers()


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES has to be for each GPU that may be used; nothing without a GPU. Never imports torch."""
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    count = sum(line.startswith("GPU ") for line in listing.splitlines())
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return [str(index) for index in range(count)]
    # CUDA ignores what follows the first entry that is not valid, and "-1" is the usual way to say none.
    return list(takewhile(lambda name: name not in ("", "-1"), map(str.strip, chosen.split(","))))[:count]


def cpu_workers() -> int:
    """How many runs are executed at once without a GPU: what PRUNESCOPE_WORKERS says, else as many as there are cores and
    memory for, and four at most. InputError if the variable is not a whole number."""
    named = os.environ.get(WORKERS_VARIABLE, "").strip()
    if named:
        workers: int = whole_number(WORKERS_VARIABLE, int(named) if named.isdecimal() else named, 1, 256)
        return workers
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # not every system tells
        memory = BYTES_PER_CPU_WORKER
    return max(1, min(CPU_COUNT, MOST_CPU_WORKERS, memory // BYTES_PER_CPU_WORKER))
