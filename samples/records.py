"""The records of runs, copied byte by byte, with the seals that they were written with."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from core.runs.folder import Home, RunFolder
from core.runs.latencies import latencies_path

RECORDS = ("spec.json", "result.json", "events.jsonl", "examination.json", "sensitivity.json")


def copy_records(home: Home, folders: Iterable[RunFolder], target: Home) -> int:
    """Copy the records of ``folders`` in ``home``, and the latencies of their studies, to ``target``; how many bytes the
    runs have."""
    size = 0
    for folder in folders:
        copy = target.run(folder.run_id)
        copy.path.mkdir(parents=True, exist_ok=True)
        latencies = latencies_path(home, folder.spec.recipe.key)
        if latencies.exists():
            target.latencies.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(latencies, latencies_path(target, folder.spec.recipe.key))
        for name in RECORDS:
            if (folder.path / name).exists():
                shutil.copyfile(folder.path / name, copy.path / name)
                size += (copy.path / name).stat().st_size
    return size
