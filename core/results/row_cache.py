"""What was read from the records of finished runs, cached in ``cache/``: a home of 10,000 runs is then read in a moment.

A row is used as long as the files that it was made from are the same, and so is the code that makes rows of them. The
cache may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from core.runs.atomic_io import atomic_write, parse_object, read_regular_file, with_checksum
from core.runs.polling import Signature

Row = dict[str, Any]
# By run: the state of its files, and its row, None if they are damaged.
CachedRows = dict[str, tuple[Signature, Row | None]]
NAME = "results.json"
_CORE = Path(__file__).resolve().parents[1]
# What a row depends on beside the record itself.
MADE_BY = (
    "runs/chance.py",
    "results/frame.py",
    "runs/record.py",
    "runs/result.py",
    "spec/method.py",
    "spec/methods.py",
    "spec/settings.py",
    "spec/spec.py",
)


def load_rows(folder: Path, columns: Set[str]) -> CachedRows:
    """What :func:`save_rows` wrote last, each row with ``columns``; nothing if it is damaged or made by other code."""
    try:
        record = parse_object(read_regular_file(folder / NAME))
        if record["made_by"] != _version():
            return {}
        rows = {run_id: (tuple(files), row) for run_id, (files, row) in record["rows"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    fits = all(row is None or (row.keys() == columns and row["run_id"] == name) for name, (_, row) in rows.items())
    return rows if fits else {}


def save_rows(folder: Path, rows: CachedRows) -> None:
    """Write ``rows`` for the next process, if the disk allows it."""
    record = with_checksum({"made_by": _version(), "rows": rows})
    with suppress(OSError), atomic_write(folder / NAME, durable=False) as file:
        file.write(json.dumps(record).encode())


@cache
def _version() -> str:
    """The SHA-256 of the code by which rows are made."""
    return hashlib.sha256(b"".join((_CORE / name).read_bytes() for name in MADE_BY)).hexdigest()
