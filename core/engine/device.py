"""Where a run computes: device, threads, precision, and the environment that a result records."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from core.engine.cuda_graph import capture_failed
from core.engine.networks.layers import Network
from core.runs.failure import DeviceUnusableError

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of the C library's mallopt()


def choose_device() -> torch.device:
    """The first CUDA device, else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.benchmark = True  # all batches have one shape: let it choose kernels by timing
    return torch.device("cuda")


def device_usable() -> bool:
    """Whether this process can go on using its GPU: not after a failed capture, and after some errors no call succeeds."""
    if capture_failed():
        return False
    if not torch.cuda.is_initialized():
        return True
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


@contextmanager
def recognise_unusable_device() -> Iterator[None]:
    """Inside, an error after which the GPU cannot be used any more is a DeviceUnusableError."""
    try:
        yield
    except RuntimeError as error:
        if device_usable():
            raise
        raise DeviceUnusableError from error


def place(model: Network, device: torch.device) -> Network:
    """``model`` itself, moved to ``device`` and to channels_last, in which convolutions are faster."""
    return model.to(device).to(memory_format=torch.channels_last)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with ``count`` threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def without_tf32() -> Iterator[None]:
    """Inside, convolutions on CUDA compute with all 24 bits of float32: since Ampere they use 11 by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def keep_freed_memory() -> None:
    """Let the C library keep freed memory instead of returning it to the system, where it can (glibc).

    A training step allocates the same memory as the step before. Memory returned in between has to be cleared by the
    system again, page by page: that cost a sixth of the training speed, and half of it with Dask's settings for workers.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 1 << 30)


def resolve_precision(precision: str, device: torch.device) -> str:
    """``auto`` resolved for ``device``: bf16 autocast on GPUs that compute in it, from NVIDIA's Ampere on; fp32 where it is
    emulated, and on a CPU (bf16 is slower on most, docs/performance.md)."""
    if precision != "auto":
        return precision
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if native else "fp32"


def environment(device: torch.device, precision: str) -> dict[str, Any]:
    """Hardware, versions, precision, threads and commit, to stand beside every number measured here."""
    on_gpu = device.type == "cuda"
    hardware = torch.cuda.get_device_name(device) if on_gpu else f"{cpu_name()}, {cores()} cores"
    return {
        "hardware": hardware,
        "device": device.type,
        "precision": resolve_precision(precision, device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "torchvision": version("torchvision"),  # without importing it, which takes a second
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "commit": _commit(),
        **({"cudnn": str(torch.backends.cudnn.version()), "driver": _driver_version()} if on_gpu else {}),
    }


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


@cache
def _commit() -> str:
    return _printed("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12")


@cache
def _driver_version() -> str:
    """That of NVIDIA's driver, which all GPUs of a machine have in common."""
    return _printed("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").partition("\n")[0]


def _printed(*command: str) -> str:
    """What ``command`` printed, "unknown" if it failed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
