"""What tests ask about the cluster at home."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import psutil

from core.jobs.cluster import address_path
from core.runs.folder import Home
from core.runs.lease import is_alive


def cluster_running(home: Home) -> bool:
    """Whether the cluster at home is up."""
    with suppress(FileNotFoundError):
        return bool(is_alive(json.loads(address_path(home).read_text())))
    return False


def cluster_processes(home: Home) -> list[psutil.Process]:
    """The detached process, then every process that it started."""
    process = psutil.Process(json.loads(address_path(home).read_text())["pid"])
    return [process, *process.children(recursive=True)]


def until_gone(processes: list[psutil.Process], seconds: float = 15) -> None:
    """Wait for the end of ``processes``; one that its parent has not looked after yet counts as gone."""
    deadline = time.monotonic() + seconds
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            while process.status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < deadline, process
                time.sleep(0.02)
