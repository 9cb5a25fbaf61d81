"""Checkpoints: where a killed run goes on. Two generations, each with a manifest that is written last."""

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

KEPT = 2
_PART = re.compile(r"checkpoint-(\d{4}|[1-9]\d{4,})\.(json|pt)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A valid checkpoint: the number of finished epochs and the state at that point."""

    epoch: int
    state: dict[str, Any]


def save_checkpoint(folder: Path, epoch: int, state: dict[str, Any], lease: Lease) -> None:
    """Keep ``state`` (tensors and plain values) as that after ``epoch`` epochs, and drop all but the last two.

    LeaseLostError if another attempt owns the run by now; OSError if the disk refuses.
    """
    lease.check()
    path = folder / f"checkpoint-{epoch:04d}.pt"
    buffer = BytesIO()
    torch.save(state, buffer)
    clear_path(path)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())
    # Of what was meant to be written: a hash of what came to lie on the disk would certify a bad write.
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    manifest = {"epoch": epoch, "size": buffer.tell(), "sha256": digest, "attempt": lease.attempt}
    write_json(path.with_suffix(".json"), with_checksum(manifest))
    kept = _epochs(folder)[-KEPT:]
    _remove(part for part in _parts(folder) if _epoch(part) not in kept)


def load_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest valid checkpoint, and the names of those that were found damaged and set aside as ``*.damaged``.

    What a killed process left half-written is removed: only the owner of the run may call this.
    """
    # Not an attempt that another process is just about to make.
    _remove(left for left in folder.glob(".*.tmp") if not left.name.startswith(".attempt-"))
    damaged: list[str] = []
    for epoch in reversed(_epochs(folder)):
        path = folder / f"checkpoint-{epoch:04d}.pt"
        state = _read(path)
        if state is not None:
            return Checkpoint(epoch, state), damaged
        damaged.append(path.name)
        for part in (path, path.with_suffix(".json")):
            if os.path.lexists(part):
                quarantine(part)
    return None, damaged


def drop_checkpoints(folder: Path) -> None:
    """Remove all checkpoints, once the result makes them needless, and what a killed process left half-written."""
    _remove(chain(_parts(folder), folder.glob(".*.tmp")))


def _read(path: Path) -> dict[str, Any] | None:
    """The state in the checkpoint at ``path``; None if anything about it is not as it was written."""
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
    """The epochs that there is a manifest of, damaged or not."""
    return sorted(_epoch(part) for part in _parts(folder) if part.suffix == ".json")


def _epoch(part: Path) -> int:
    return int(part.stem.removeprefix("checkpoint-"))


def _parts(folder: Path) -> list[Path]:
    """Manifests, then states: in this order they can be removed, and no half checkpoint be taken for a whole one."""
    return sorted((path for path in folder.iterdir() if _PART.fullmatch(path.name)), key=lambda path: path.suffix)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():  # nothing of ours
            quarantine(path)
        else:
            path.unlink(missing_ok=True)
