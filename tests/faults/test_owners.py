"""One owner a run: whatever the clock says, and however many processes want it."""

import json
import multiprocessing
import os
import time
from pathlib import Path

import psutil
import pytest

from core.runs import lease as lease_module
from core.runs.atomic_io import with_checksum, write_json
from core.runs.folder import Home, State
from core.runs.lease import (
    STALE_SECONDS,
    Lease,
    LeaseHeldError,
    LeaseLostError,
    holder,
    identity,
    is_alive,
    latest_attempt,
)
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
from tests.records import plausible_result

SPEC = RunSpec(PRESETS["demo"].recipe, "dense", 42)
HOUR = 3600.0


@pytest.fixture
def folder(tmp_path):
    return Home(tmp_path).prepare().create(SPEC)


def launch(home, start):
    """What every launch of the run does, without the training: it counts as executed when the journal says started."""
    folder = Home(home).create(SPEC)
    start.wait()
    deadline = time.monotonic() + 30
    while folder.state() != State.DONE and time.monotonic() < deadline:
        try:
            with Lease(folder.path) as lease:
                if folder.state() != State.DONE:
                    folder.append("started", attempt=lease.attempt)
                    time.sleep(0.2)
                    lease.check()
                    folder.commit(plausible_result(SPEC))
        except LeaseHeldError:
            time.sleep(0.02)


def test_ten_launches_at_once_execute_a_run_once(tmp_path):
    context = multiprocessing.get_context("forkserver")
    start = context.Barrier(10)
    processes = [context.Process(target=launch, args=(tmp_path, start)) for _ in range(10)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    folder = Home(tmp_path).run(SPEC.run_id)
    assert folder.state() == State.DONE
    assert [event["type"] for event in folder.events()] == ["started"]


@pytest.mark.parametrize("jump", [-100 * HOUR, -STALE_SECONDS, STALE_SECONDS + 1, 100 * HOUR])
def test_a_clock_that_jumps_makes_no_second_owner_on_a_machine(folder, monkeypatch, jump):
    real = time.time
    with Lease(folder.path) as lease:
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        # What psutil tells of a process's start is by the wall clock, and jumps along.
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: jump)
        assert holder(folder.path).alive
        assert folder.state() == State.RUNNING
        with pytest.raises(LeaseHeldError), Lease(folder.path):
            pass
        lease.check()
    assert holder(folder.path) is None


def test_a_machine_that_slept_finds_its_runs_still_owned(folder):
    """The heartbeat is as old as the sleep was long, until the next one."""
    with Lease(folder.path):
        os.utime(folder.path / "attempt-0001", (1.0, 1.0))
        assert holder(folder.path).alive


def test_a_heartbeat_from_the_future_does_not_hold_a_run_for_ever(folder):
    path = folder.path / "attempt-0001"
    write_json(path, with_checksum({"host": "elsewhere", "machine": "elsewhere/1", "pid": 1, "born": 0}))
    later = time.time() + HOUR
    os.utime(path, (later, later))
    assert not holder(folder.path).alive


def test_a_stale_attempt_beside_a_retry_can_commit_nothing(folder, monkeypatch):
    """Taken for dead, because it was on another machine and silent for long; then it wakes up."""
    from core.engine.checkpoint import save_checkpoint  # noqa: PLC0415 - the ten processes above do without torch

    monkeypatch.setattr(lease_module, "HEARTBEAT_SECONDS", 1e6)
    with Lease(folder.path) as stale:
        write_json(folder.path / "attempt-0001", with_checksum({**identity(), "machine": "elsewhere/1"}))
        os.utime(folder.path / "attempt-0001", (1.0, 1.0))
        with Lease(folder.path) as retry:
            for forbidden in (stale.check, lambda: save_checkpoint(folder.path, 9, {}, stale)):
                with pytest.raises(LeaseLostError):
                    forbidden()
            retry.check()
    assert not list(folder.path.glob("checkpoint-*"))
    assert latest_attempt(folder.path) == 2


@pytest.mark.parametrize(
    "name", ["attempt-٠٠٠٩", "attempt-00009", "attempt-0009x", "attempt-", "attempt-0000", "attempt--001"]
)
def test_a_stray_name_is_no_attempt(folder, name):
    (folder.path / name).write_text("{}")
    assert holder(folder.path) is None
    with Lease(folder.path) as lease:
        assert lease.attempt == 1


@pytest.mark.parametrize("born", [10**400, "x", None, [], float("inf")], ids=["huge", "text", "none", "list", "never"])
@pytest.mark.parametrize(
    "pid", [10**30, -1, "x", None, [], os.getpid()], ids=["huge", "-1", "text", "none", "list", "own"]
)
def test_any_identity_is_alive_or_dead_or_unknown(pid, born):
    assert is_alive({**identity(), "pid": pid, "born": born}) in (False, None)
    assert is_alive(json.loads(json.dumps(identity())))


def test_an_attempt_that_leads_nowhere_is_taken_over_in_time(folder):
    path = folder.path / "attempt-0001"
    path.symlink_to(Path("gone"))
    os.utime(path, (1.0, 1.0), follow_symlinks=False)
    with Lease(folder.path) as lease:
        assert lease.attempt == 2


def test_a_folder_that_is_moved_away_and_back_has_no_owner_left(folder):
    """As when a run is deleted, from a process that lives on, and then taken out of the trash."""
    elsewhere = folder.path.with_name("elsewhere")
    with Lease(folder.path):
        folder.path.rename(elsewhere)
    elsewhere.rename(folder.path)
    assert holder(folder.path) is None
