"""Keeping results: made once, whatever they look like in memory, and never lost for want of a place to keep them."""

import errno
from pathlib import Path

import numpy as np
import pytest

from core.engine import disk_cache as module
from core.engine.disk_cache import cached

TRANSPOSED = np.arange(96, dtype=np.uint8).reshape(2, 3, 4, 4).transpose(0, 2, 3, 1)


class Made:
    """Makes ``result``, and counts how often."""

    def __init__(self, result: object) -> None:
        self.result, self.times = result, 0

    def __call__(self) -> object:
        self.times += 1
        return self.result


@pytest.mark.parametrize("result", [0.5, ("cat", "dog", "cat"), TRANSPOSED, TRANSPOSED.T, TRANSPOSED[::2]])
def test_a_result_is_made_once(tmp_path: Path, result: object) -> None:
    make = Made(result)
    for _ in range(3):
        assert np.array_equal(cached(tmp_path / "kept", "key", make), result)  # type: ignore[arg-type]
    assert make.times == 1


def test_each_key_has_its_own(tmp_path: Path) -> None:
    keys = [("a", 1), ("a", 2), {"a": 1}, {"a": 1.5}, "a"]
    assert [cached(tmp_path, key, Made(number)) for number, key in enumerate(keys)] == list(range(5))
    assert [cached(tmp_path, key, Made("anew")) for key in keys] == list(range(5))


def test_what_cannot_be_kept_is_returned_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*anything: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "atomic_write", full)
    make = Made(0.5)
    assert [cached(tmp_path, "key", make), cached(tmp_path, "key", make)] == [0.5, 0.5]
    assert make.times == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_before_the_work_begins(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    make = Made(0.5)
    with pytest.raises(OSError, match="file"):
        cached(tmp_path / "file" / "kept", "key", make)
    assert make.times == 0


def test_an_interrupted_making_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path, "key", interrupted)
    assert list(tmp_path.iterdir()) == []
