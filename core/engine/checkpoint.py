"""Checkpoints, which a killed run resumes from: two generations, each with a manifest that is written last."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from core.runs.atomic_io import (
    atomic_write,
    clear_path,
    parse_object,
    quarantine,
    read_regular_file,
    with_checksum,
    write_json,
)
from core.runs.lease import Lease

GENERATIONS = 2
_FILE_NAME = re.compile(r"checkpoint-(\d{4}|[1-9]\d{4,})\.(json|pt)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A valid checkpoint: the number of finished epochs and the state at that point."""

    epoch: int
    state: dict[str, Any]


def save_checkpoint(folder: Path, epoch: int, state: dict[str, Any], lease: Lease) -> None:
    """Write ``state`` (tensors and plain values) as of after ``epoch`` epochs, and remove all but the last two checkpoints.

    LeaseLostError if another attempt owns the run by now; OSError if it cannot be written.
    """
    lease.check()
    path = folder / f"checkpoint-{epoch:04d}.pt"
    buffer = BytesIO()
    torch.save(state, buffer)
    clear_path(path)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())
    # Of the bytes in memory: a hash of the file would certify a bad write.
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    manifest = {"epoch": epoch, "size": buffer.tell(), "sha256": digest, "attempt": lease.attempt}
    write_json(path.with_suffix(".json"), with_checksum(manifest))
    current = _epochs(folder)[-GENERATIONS:]
    _remove(path for path in _files(folder) if _epoch(path) not in current)


def load_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest valid checkpoint, and the names of the damaged ones, which are quarantined.

    Removes half-written files of a killed process: only the owner of the run may call this.
    """
    # Not the attempt file that another process may be writing now.
    _remove(path for path in folder.glob(".*.tmp") if not path.name.startswith(".attempt-"))
    damaged: list[str] = []
    for epoch in reversed(_epochs(folder)):
        path = folder / f"checkpoint-{epoch:04d}.pt"
        state = _read(path)
        if state is not None:
            return Checkpoint(epoch, state), damaged
        damaged.append(path.name)
        for file in (path, path.with_suffix(".json")):
            if os.path.lexists(file):
                quarantine(file)
    return None, damaged


def drop_checkpoints(folder: Path) -> None:
    """Remove all checkpoints, once there is a result, and half-written files of a killed process."""
    _remove(chain(_files(folder), folder.glob(".*.tmp")))


def _read(path: Path) -> dict[str, Any] | None:
    """The state in the checkpoint at ``path``; None if it is incomplete or damaged."""
    try:
        manifest = parse_object(read_regular_file(path.with_suffix(".json")))
        if path.stat().st_size != manifest["size"]:
            return None
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != manifest["sha256"]:
            return None
        state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError):
        return None
    return state if isinstance(state, dict) else None


def _epochs(folder: Path) -> list[int]:
    """The epochs that have a manifest, damaged or not."""
    return sorted(_epoch(path) for path in _files(folder) if path.suffix == ".json")


def _epoch(path: Path) -> int:
    return int(path.stem.removeprefix("checkpoint-"))


def _files(folder: Path) -> list[Path]:
    """Manifests, then states: removed in this order, no state is left with a manifest that certifies it."""
    return sorted((path for path in folder.iterdir() if _FILE_NAME.fullmatch(path.name)), key=lambda path: path.suffix)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():  # not written by this program
            quarantine(path)
        else:
            path.unlink(missing_ok=True)
