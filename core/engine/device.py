"""Where a run computes, and what a result has to say about it."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torchvision

from core.engine.models.resnet import ResNet


def choose_device() -> torch.device:
    """The first CUDA device, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def place(model: ResNet, device: torch.device) -> ResNet:
    """``model`` itself, moved to ``device`` and laid out channels_last, which convolutions want."""
    return model.to(device).to(memory_format=torch.channels_last)


def resolve_precision(precision: str, device: torch.device) -> str:
    """``auto`` as what it means on ``device``: bf16 autocast on CUDA, fp32 elsewhere (bf16 was measured slower there)."""
    return precision if precision != "auto" else ("bf16" if device.type == "cuda" else "fp32")


def environment(device: torch.device, precision: str) -> dict[str, Any]:
    """Hardware, versions, precision, threads and commit, to stand beside every number measured here."""
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{_cpu_name()}, {_cores()} cores"
    return {
        "hardware": hardware,
        "device": device.type,
        "precision": resolve_precision(precision, device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "commit": _commit(),
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux: the platform module knows something, if less
    return platform.processor() or platform.machine()


@cache
def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
