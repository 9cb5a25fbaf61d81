"""A disk that is full or fails, at each write in turn: what was there before stays readable, and nothing piles up."""

import errno
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.engine import resnet18
from core.engine.artifact import load_model, save_model
from core.engine.checkpoint import load_checkpoint, save_checkpoint
from core.runs.atomic_io import append_line, read_lines, write_json
from core.runs.folder import Home, State
from core.runs.lease import Lease, LeaseHeldError, holder
from core.spec.errors import InputError
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
from tests.records import plausible_result, write_result

SPEC = RunSpec(PRESETS["demo"].recipe, "dense", 42)
MOST_CALLS = 60
# Writing goes through these: whatever is asked of the disk, each call can fail.
CALLS = ("open", "write", "fsync", "replace", "link")


class BadDisk:
    """Fails at the ``fails_at``-th call that would change something; a write that fails has written half."""

    def __init__(self, monkeypatch, fails_at, number):
        self.calls, self.fails_at, self.number = 0, fails_at, number
        for name in CALLS:
            monkeypatch.setattr(os, name, self._failing(getattr(os, name)))
        real_open = io.open
        monkeypatch.setattr(io, "open", lambda *args, **kwargs: self._opened(real_open, *args, **kwargs))

    def check(self):
        self.calls += 1
        if self.calls == self.fails_at:
            raise OSError(self.number, os.strerror(self.number))

    def _failing(self, call):
        def failing(*args, **kwargs):
            try:
                self.check()
            except OSError:
                if call.__name__ == "write":
                    call(args[0], args[1][: len(args[1]) // 2])
                raise
            return call(*args, **kwargs)

        return failing

    def _opened(self, real_open, path, mode="r", *args, **kwargs):
        if not set(mode) & set("wxa+"):
            return real_open(path, mode, *args, **kwargs)
        self.check()
        file = real_open(path, mode, *args, **kwargs)
        write = file.write

        def half(content):
            try:
                self.check()
            except OSError:
                write(content[: len(content) // 2])
                raise
            return write(content)

        return _Writing(file, half)


class _Writing:
    """A file whose write is another one."""

    def __init__(self, file, write):
        self._file, self.write = file, write

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()


@pytest.fixture(params=[errno.ENOSPC, errno.EIO], ids=["full", "failing"])
def each_call(request, monkeypatch):
    """Runs ``act`` with the first call failing, then with the second, until none fails any more; ``check`` after each."""

    def run(act, check):
        for fails_at in range(1, MOST_CALLS):
            with monkeypatch.context() as patch:
                disk = BadDisk(patch, fails_at, request.param)
                try:
                    act()
                except (OSError, InputError):
                    pass
                else:
                    if disk.calls < fails_at:
                        return fails_at
            check()
        raise AssertionError("never without a failing call")

    return run


def leftovers(folder):
    return [path.name for path in folder.rglob("*.tmp")]


def test_a_record_is_the_old_or_the_new_one(tmp_path, each_call):
    path = tmp_path / "record.json"
    write_json(path, {"old": 1})

    def check():
        assert path.read_text() in ('{\n "old": 1\n}\n', '{\n "new": 2\n}\n')
        assert leftovers(tmp_path) == []

    assert each_call(lambda: write_json(path, {"new": 2}), check) > 4


def test_a_journal_keeps_its_lines(tmp_path, each_call):
    path = tmp_path / "events.jsonl"
    append_line(path, {"n": 0})

    def check():
        lines = read_lines(path)
        assert lines[0] == {"n": 0}
        assert all(line in ({"n": 0}, {"n": 1}) for line in lines)

    assert each_call(lambda: append_line(path, {"n": 1}), check) > 3
    assert read_lines(path)[-1] == {"n": 1}


def test_a_result_is_there_whole_or_not_at_all(tmp_path, each_call):
    folder = Home(tmp_path).prepare().create(SPEC)
    result = plausible_result(SPEC)

    def check():
        assert folder.result() in (None, result)
        assert leftovers(folder.path) == []

    each_call(lambda: folder.commit(result), check)
    assert folder.state() == State.DONE


def test_a_run_is_made_or_refused_in_a_sentence(tmp_path, each_call):
    good = write_result(Home(tmp_path).prepare(), RunSpec(SPEC.recipe, "dense", 1))

    def check():
        assert good.state() == State.DONE
        assert leftovers(tmp_path) == []

    each_call(lambda: (Home(tmp_path).create(SPEC), shutil.rmtree(Home(tmp_path).run(SPEC.run_id).path)), check)


def test_the_checkpoint_before_stays_when_the_next_one_cannot_be_written(tmp_path, each_call):
    with Lease(tmp_path) as lease:
        save_checkpoint(tmp_path, 1, {"seconds": 1.0}, lease)

        def check():
            checkpoint, damaged = load_checkpoint(tmp_path)
            assert checkpoint.state == {"seconds": float(checkpoint.epoch)}
            assert damaged == []
            assert leftovers(tmp_path) == []

        assert each_call(lambda: save_checkpoint(tmp_path, 2, {"seconds": 2.0}, lease), check) > 8
    assert load_checkpoint(tmp_path)[0].epoch == 2


def test_the_model_before_stays_when_the_next_one_cannot_be_written(tmp_path, each_call):
    save_model(resnet18(4, seed=0), tmp_path / "m")
    contents = {(tmp_path / "m").read_bytes()}
    save_model(resnet18(4, seed=1), tmp_path / "other")
    contents.add((tmp_path / "other").read_bytes())

    def check():
        load_model(tmp_path / "m")
        assert (tmp_path / "m").read_bytes() in contents
        assert leftovers(tmp_path) == []

    each_call(lambda: save_model(resnet18(4, seed=1), tmp_path / "m"), check)


def test_a_lease_can_be_let_go_on_a_disk_that_fails(tmp_path, each_call):
    """Whatever call fails, nobody is left for its owner: this process lives on, and would hold the run for ever."""

    def act():
        with Lease(tmp_path):
            pass

    def check():
        assert holder(tmp_path) is None
        assert leftovers(tmp_path) == []

    try:
        each_call(act, check)
    except LeaseHeldError as error:
        raise AssertionError("it was not let go") from error


FILL = """
import sys; from pathlib import Path
from core.runs.atomic_io import append_line, read_lines, write_json
room = Path(sys.argv[1])
write_json(room / "record.json", {"n": 0})
append_line(room / "events.jsonl", {"n": 0})
refused = 0
for n in range(1, 2000):
    for act in (lambda: write_json(room / "record.json", {"n": 0, "much": "x" * 30 * n}),
                lambda: append_line(room / "events.jsonl", {"n": n})):
        try: act()
        except OSError as error: refused += 1; assert error.errno == 28, error
lines = read_lines(room / "events.jsonl")
assert refused and lines == sorted(lines, key=lambda line: line["n"]) and lines[0] == {"n": 0}
assert read_lines(room / "record.json") == [] and b'"n": 0' in (room / "record.json").read_bytes()
import json; json.loads((room / "record.json").read_bytes())
assert not list(room.glob(".*.tmp"))
"""


def test_a_disk_of_64_kilobytes_keeps_what_fitted(tmp_path):
    """On a real one that runs full, where this system lets a test mount it."""
    inside = f'mount -t tmpfs -o size=64k none "{tmp_path}" && exec "{sys.executable}" -c "$1" "{tmp_path}"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, f'mount -t tmpfs none "{tmp_path}"'], check=False).returncode
    ):
        pytest.skip("nothing can be mounted here")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([*command, inside, "sh", FILL], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
