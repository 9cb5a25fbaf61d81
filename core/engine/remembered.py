"""Results that take long to make, kept in the cache by what they were made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import joblib

from core.study.files import replacing

Result = TypeVar("Result")


def remembered(folder: Path, key: Any, make: Callable[[], Result]) -> Result:
    """What ``folder`` keeps by ``key``, plain data; or what ``make`` returns, kept there if it is missing or damaged.

    Any number of processes may do this at once and each gets a good one: an entry is put in place as a whole, and none
    is ever removed. (``joblib.Memory`` removes what it cannot read, also when another process has just made it anew.)
    OSError if ``folder`` cannot be written.
    """
    path = folder / f"{joblib.hash(key)}.pkl"
    try:
        digest, kept = joblib.load(path)
        intact = digest == _digest(kept)
    except Exception:  # it is missing, or damaged: such bytes can raise anything
        intact = False
    if intact:
        return kept  # type: ignore[no-any-return] # the digest says that it is what was put there
    folder.mkdir(parents=True, exist_ok=True)
    made = make()
    with replacing(path, durable=False) as file:
        joblib.dump((_digest(made), made), file)
    return made


def _digest(value: Any) -> str:
    return str(joblib.hash(value, hash_name="sha1"))  # twice as fast as joblib's default on large arrays
