"""Checkpoints: where a killed run goes on. Two generations, each with a manifest that is written last."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from core.study.files import replacing, sha256, write_json
from core.study.lease import Lease

KEPT = 2
_MANIFEST = re.compile(r"checkpoint-(\d{4,})\.json")


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
    with replacing(path) as file:
        file.write(buffer.getbuffer())
    # Of what was meant to be written: a hash of what came to lie on the disk would certify a bad write.
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    manifest = {"epoch": epoch, "size": buffer.tell(), "sha256": digest, "attempt": lease.attempt}
    write_json(path.with_suffix(".json"), manifest)
    for old in _epochs(folder)[:-KEPT]:
        _remove(folder, old)


def load_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest valid checkpoint, and the names of those that were found damaged and set aside as ``*.damaged``."""
    damaged: list[str] = []
    for epoch in reversed(_epochs(folder)):
        path = folder / f"checkpoint-{epoch:04d}.pt"
        try:
            manifest = json.loads(path.with_suffix(".json").read_bytes())
            if path.stat().st_size == manifest["size"] and sha256(path) == manifest["sha256"]:
                return Checkpoint(epoch, torch.load(path, map_location="cpu", weights_only=True)), damaged
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError):
            pass  # as damaged as one with the wrong hash: set aside below, by name, and reported
        damaged.append(path.name)
        for part in (path, path.with_suffix(".json")):
            with suppress(FileNotFoundError):
                part.replace(part.with_name(part.name + ".damaged"))
    return None, damaged


def drop_checkpoints(folder: Path) -> None:
    """Remove all checkpoints, once the result makes them needless, and what a killed process left half-written."""
    for epoch in _epochs(folder):
        _remove(folder, epoch)
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)


def _epochs(folder: Path) -> list[int]:
    return sorted(int(match[1]) for entry in folder.iterdir() if (match := _MANIFEST.fullmatch(entry.name)))


def _remove(folder: Path, epoch: int) -> None:
    # The manifest goes first: without it the rest counts for nothing, so no half checkpoint can be taken for a whole one.
    for suffix in (".json", ".pt"):
        (folder / f"checkpoint-{epoch:04d}{suffix}").unlink(missing_ok=True)
