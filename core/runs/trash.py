"""Delete runs by moving their folders aside: nothing is erased, and moving a folder back undoes it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path

from core.runs.atomic_io import unused_path
from core.runs.folder import UNFINISHED, Home, RunFolder, State
from core.runs.lease import Lease, LeaseHeldError
from core.spec.errors import InputError


def move_to_trash(home: Home, run_ids: Collection[str]) -> list[Path]:
    """Move the runs there, all or none; their new paths. InputError for one that is not there or not ended, and for a
    dense run without which others could not be compared."""
    folders = [home.run(run_id) for run_id in run_ids]
    for folder in folders:
        if not folder.path.is_dir():
            raise InputError("{run} is not there: it was deleted already.", run=folder.run_id)
        if folder.state() in UNFINISHED - {State.INTERRUPTED}:
            raise InputError("{run} has not ended: cancel it first.", run=folder.run_id)
    _check_dependants(home, folders)
    moved = []
    with ExitStack() as leases:
        for folder in folders:
            try:
                leases.enter_context(Lease(folder.path))  # nobody may start it while it moves
            except LeaseHeldError:
                raise InputError("{run} has just been started: cancel it first.", run=folder.run_id) from None
        home.trash.mkdir(exist_ok=True)
        for folder in folders:
            target = unused_path(home.trash / f"{folder.run_id}-{time.strftime('%Y%m%d-%H%M%S')}")
            moved.append(folder.path.rename(target))
    return moved


def move_back(home: Home, moved: Mapping[str, Path]) -> None:
    """Undo it for runs by id, all or none. InputError where a run of that id was launched since, or the folder is gone."""
    for run_id, path in moved.items():
        if home.run(run_id).path.exists():
            raise InputError("{run} was launched again: the deleted one stays in the trash.", run=run_id)
        if not path.is_dir():
            raise InputError("{run} is not in the trash any more.", run=run_id)
    for run_id, path in moved.items():
        path.rename(home.run(run_id).path)


def _check_dependants(home: Home, folders: Collection[RunFolder]) -> None:
    deleted = {folder.run_id for folder in folders}
    for other in home.runs():
        if other.run_id in deleted:
            continue
        try:
            dense = other.spec.dense.run_id
        except InputError:  # a damaged run depends on none
            continue
        if dense in deleted and other.state() not in (State.FAILED, State.CANCELLED):
            raise InputError("{run} starts from {dense}: delete both, or keep both.", run=other.run_id, dense=dense)
