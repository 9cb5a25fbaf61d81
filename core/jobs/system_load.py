"""CPU, memory and GPU load of this machine."""

from __future__ import annotations

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
    lines = nvidia_smi(f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits", timeout=_MAX_SECONDS)
    return tuple(gpu for gpu in map(parse_gpu, lines) if gpu is not None)


def nvidia_smi(*arguments: str, timeout: float) -> list[str]:
    """The lines that nvidia-smi prints; none where it is missing, fails or takes longer than ``timeout`` seconds."""
    command = ["nvidia-smi", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []


def parse_gpu(line: str) -> Gpu | None:
    """The GPU in a line of nvidia-smi, with memory in MiB; None for any other line."""
    parts = [part.strip() for part in line.rsplit(",", 3)]
    try:
        percent, used, total = map(float, parts[1:])
    except ValueError:  # "[N/A]", of a GPU that is divided
        return None
    return Gpu(parts[0], percent, used * 2**20 / 1e9, total * 2**20 / 1e9)
