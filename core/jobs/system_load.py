"""CPU, memory and GPU load of this machine."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

import psutil

_QUERY = "name,utilization.gpu,memory.used,memory.total"
_MAX_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; memory in GB (10^9 bytes)."""

    name: str
    percent: float
    used: float
    total: float


@dataclass(frozen=True, slots=True)
class SystemLoad:
    """All processes together: CPU in percent of all cores since the last call, memory in GB (10^9 bytes)."""

    cpu_percent: float
    cores: int
    used: float
    total: float
    gpus: tuple[Gpu, ...]


def measure_load() -> SystemLoad:
    """The load right now."""
    memory = psutil.virtual_memory()
    return SystemLoad(
        cpu_percent=psutil.cpu_percent(),
        cores=psutil.cpu_count() or 1,
        used=(memory.total - memory.available) / 1e9,
        total=memory.total / 1e9,
        gpus=_gpus(),
    )


def _gpus() -> tuple[Gpu, ...]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    try:
        done = subprocess.run(
            [command, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
            timeout=_MAX_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(gpu for gpu in map(parse_gpu, done.stdout.splitlines()) if gpu is not None)


def parse_gpu(line: str) -> Gpu | None:
    """The GPU in a line of nvidia-smi, with memory in MiB; None for any other line."""
    parts = [part.strip() for part in line.rsplit(",", 3)]
    try:
        percent, used, total = map(float, parts[1:])
    except ValueError:  # "[N/A]", of a GPU that is divided
        return None
    return Gpu(parts[0], percent, used * 2**20 / 1e9, total * 2**20 / 1e9)
