"""One owner for each run: a lease with a heartbeat and an attempt number.

An attempt is a file ``attempt-<n>`` that only one process can create; its modification time is the heartbeat. Whoever
holds the highest number owns the run, and an earlier attempt that is still alive may not commit any more.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from core.runs.atomic_io import parse_object, read_regular_file, with_checksum, write_json

HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
_RELEASED = 0.0  # the heartbeat of an attempt whose end could not be written
_ATTEMPT = re.compile(r"attempt-(\d{4}|[1-9]\d{4,})", re.ASCII)


class LeaseHeldError(RuntimeError):
    """Another process is executing the run."""


class LeaseLostError(RuntimeError):
    """A later attempt owns the run: this one may not write any more."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process of the newest attempt of a run."""

    attempt: int
    host: str
    pid: int
    alive: bool


def latest_attempt(folder: Path) -> int:
    """The highest attempt number in ``folder``, 0 for none."""
    with suppress(FileNotFoundError):
        return max((int(match[1]) for name in os.listdir(folder) if (match := _ATTEMPT.fullmatch(name))), default=0)
    return 0


def holder(folder: Path) -> Holder | None:
    """The owner of the newest attempt, or None if there is no attempt or it was released."""
    return _holder(folder, latest_attempt(folder))


def _holder(folder: Path, attempt: int) -> Holder | None:
    if not attempt:
        return None
    path = _attempt_path(folder, attempt)
    try:
        heartbeat = path.lstat().st_mtime
    except FileNotFoundError:  # deleted just now
        return None
    data: dict[str, Any] = {}
    with suppress(OSError, ValueError):  # of a damaged file the heartbeat still counts
        data = parse_object(read_regular_file(path))
    if data.get("released") or heartbeat == _RELEASED:
        return None
    pid = data.get("pid")
    alive = is_alive(data)
    if alive is None:
        # Only where the process cannot be looked up: the clock may be set, or have stood still while the machine slept.
        alive = abs(time.time() - heartbeat) < STALE_SECONDS
    return Holder(attempt, str(data.get("host", "?")), pid if isinstance(pid, int) else 0, alive)


class Lease:
    """The right to execute the run in ``folder``; a context manager that releases it at its end. Raises LeaseHeldError
    when entered while another owner is alive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.attempt = 0
        self._file = -1  # of the attempt, wherever the folder is moved meanwhile
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_heartbeats, name=f"heartbeat {folder.name}", daemon=True)

    def __enter__(self) -> Lease:
        latest = latest_attempt(self.folder)
        owner = _holder(self.folder, latest)
        if owner is not None and owner.alive:
            raise LeaseHeldError(f"{self.folder.name} is being executed by process {owner.pid} on {owner.host}.")
        # The next number after the one just read: two processes that read the same try to create the same file.
        self.attempt = latest + 1
        try:
            # Linked into place whole: an attempt without its owner is never visible.
            self._file = _create(_attempt_path(self.folder, self.attempt), identity())
        except FileExistsError:
            raise LeaseHeldError(f"{self.folder.name} was just started by another process.") from None
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        path = _attempt_path(self.folder, self.attempt)
        try:
            write_json(path, with_checksum({**identity(), "released": True}))
        except OSError:
            with suppress(OSError):  # a full disk still takes a time, and so does a folder that was moved
                os.utime(self._file, (_RELEASED, _RELEASED))
        finally:
            os.close(self._file)

    def check(self) -> None:
        """Raise LeaseLostError if a later attempt exists; called before everything that commits."""
        latest = latest_attempt(self.folder)
        if latest != self.attempt:
            raise LeaseLostError(f"{self.folder.name}: attempt {self.attempt} was overtaken by attempt {latest}.")
        if not os.path.samestat(os.fstat(self._file), _attempt_path(self.folder, self.attempt).stat()):
            raise LeaseLostError(f"{self.folder.name}: this attempt's folder was deleted, and there is a new one.")

    def _send_heartbeats(self) -> None:
        path = _attempt_path(self.folder, self.attempt)
        while not self._stop.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):
                os.utime(path)


def _attempt_path(folder: Path, attempt: int) -> Path:
    return folder / f"attempt-{attempt:04d}"


def _create(path: Path, data: dict[str, Any]) -> int:
    """A descriptor of the new file at ``path``. FileExistsError if there is one; after any error there is none of ours."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        write_json(temporary, with_checksum(data))
        descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.link(temporary, path)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
    finally:
        with suppress(OSError):
            temporary.unlink()


@cache
def _machine() -> str:
    """An id of what a process number is unique in: this boot of this machine, and the process namespace."""
    parts = [socket.gethostname()]
    for source in (Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")):
        with suppress(OSError):
            parts.append(str(source.readlink()) if source.is_symlink() else source.read_text().strip())
    return "/".join(parts)


def identity() -> dict[str, Any]:
    """This process, for :func:`is_alive` in any other process."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "machine": _machine(), "pid": pid, "born": _start_time(psutil.Process(pid))}


def is_alive(process: dict[str, Any]) -> bool | None:
    """Whether the process with this :func:`identity` lives; None where that is unknown, as on another machine."""
    if process.get("machine") != _machine():
        return None
    try:
        current = psutil.Process(process["pid"])
        same = abs(_start_time(current) - process["born"]) <= 1
        return bool(same and current.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, KeyError, TypeError, ValueError, OverflowError):
        return None


def _start_time(process: psutil.Process) -> float:
    """When the process began, in seconds: since the machine started, or by the wall clock where that is all there is."""
    with suppress(OSError):
        # Not psutil's time, which is by the wall clock: another one once that is set.
        after_name = Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return process.create_time()
