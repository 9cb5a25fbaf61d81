"""What was read from the records of finished runs, kept in ``cache/``: a home of 10,000 runs is then read in a moment.

Only a copy: a row is used as long as the files that it was made from are the same, and so is the code that makes rows of
them. It may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from core.runs.atomic_io import atomic_write, parse_object, read_regular_file, with_checksum
from core.runs.polling import Signature

Row = dict[str, Any]
NAME = "results.json"
_CORE = Path(__file__).resolve().parents[1]
# What a row depends on beside the record itself.
MADE_BY = (
    "results/frame.py",
    "results/metrics.py",
    "runs/record.py",
    "runs/result.py",
    "spec/methods.py",
    "spec/spec.py",
)


def load_rows(folder: Path, columns: Set[str]) -> dict[str, tuple[Signature, Row | None]]:
    """For each run what the files were that its row was made from, and the row, None if they are damaged. Nothing if
    nothing usable is kept in ``folder``."""
    try:
        kept = parse_object(read_regular_file(folder / NAME))
        if kept["made_by"] != _version():
            return {}
        found = {run_id: (tuple(seen), row) for run_id, (seen, row) in kept["rows"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    fits = all(row is None or (row.keys() == columns and row["run_id"] == name) for name, (_, row) in found.items())
    return found if fits else {}


def save_rows(folder: Path, rows: Mapping[str, tuple[Signature, Row | None]]) -> None:
    """Keep ``rows`` for the next process, if the disk allows it."""
    record = with_checksum({"made_by": _version(), "rows": rows})
    with suppress(OSError), atomic_write(folder / NAME, durable=False) as file:
        file.write(json.dumps(record).encode())


@cache
def _version() -> str:
    """The SHA-256 of the code by which rows are made."""
    return hashlib.sha256(b"".join((_CORE / name).read_bytes() for name in MADE_BY)).hexdigest()
