"""Sensitivity curves on the cluster: after the runs, in slices, and without harm to a run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NoReturn

import pytest

from core.jobs import task
from core.jobs.cluster import with_client
from core.jobs.queue import Queue
from core.jobs.task import MAX_LOST_SLICES, sensitivity_task
from core.runs.failure import DeviceUnusableError
from core.runs.folder import Home, RunFolder, State
from core.runs.lease import Lease
from core.runs.sensitivity import Curve, Sensitivity, read_sensitivity, write_sensitivity
from tests.jobs.fake_executor import EXECUTOR, dense, pruned, times, wait_until

CURVES = "tests.jobs.test_sensitivity:compute"
SECONDS = 0.3
SLICES = 4


def compute(path: Path, seconds: float) -> bool:
    """In the engine's place: four slices make a set of curves."""
    folder = RunFolder(path)
    folder.append("slice")
    time.sleep(SECONDS)
    done = len(times(folder, "slice")) >= SLICES
    if done:
        curve = Curve("magnitude", {}, (0.0,), (90.0,))
        write_sensitivity(folder, Sensitivity(path.name, "", "", "fp32", 1, 1, (curve,)))
    return done


def fail(path: Path, seconds: float) -> bool:
    raise RuntimeError("the pictures are gone")


def lose_the_gpu(path: Path, seconds: float) -> bool:
    raise DeviceUnusableError("it fell off")


def die(path: Path, seconds: float) -> bool:
    """As for want of memory."""
    RunFolder(path).append("slice")
    os.kill(os.getpid(), signal.SIGKILL)
    return False


def until_computed(folder: RunFolder) -> Sensitivity:
    deadline = time.monotonic() + 30
    while (found := read_sensitivity(folder)) is None:
        assert time.monotonic() < deadline, folder.events()
        time.sleep(0.02)
    return found


def test_curves_come_after_the_runs_and_make_way_for_one_that_comes_later(shared_home: Home) -> None:
    queue = Queue(shared_home, EXECUTOR, CURVES)
    specs = [pruned(1, 0.5), pruned(1, 0.9)]
    submission = queue.submit(specs)
    assert len(submission.queued) == 3  # curves are no run
    folder, *others = (shared_home.run(run_id) for run_id in submission.queued)
    while not times(folder, "slice"):
        time.sleep(0.02)
    assert [run.state() for run in others] == [State.DONE, State.DONE]
    late = shared_home.create(pruned(1, 0.7))
    queue.submit([late.spec])
    assert wait_until(late, State.DONE) == State.DONE
    assert read_sensitivity(folder) is None
    until_computed(folder)
    assert len(times(folder, "slice")) == SLICES
    assert {run.run_id for run in shared_home.runs()} == {run.run_id for run in (folder, *others, late)}


def test_a_dense_run_that_was_done_before_gets_its_curves_once(shared_home: Home) -> None:
    Queue(shared_home, EXECUTOR).submit([dense(2)])
    folder = shared_home.run(dense(2).run_id)
    wait_until(folder, State.DONE)
    assert not times(folder, "slice")
    queue = Queue(shared_home, EXECUTOR, CURVES)
    for sparsity in (0.5, 0.6):
        queue.submit([pruned(2, sparsity)])
    until_computed(folder)
    queue.submit([pruned(2, 0.7)])
    wait_until(shared_home.run(pruned(2, 0.7).run_id), State.DONE)
    assert len(times(folder, "slice")) == SLICES
    assert not with_client(shared_home, lambda client: client.run_on_scheduler(_tasks))


def _tasks(dask_scheduler: object) -> list[str]:
    return [key for key in dask_scheduler.tasks if key.endswith("-curves")]  # type: ignore[attr-defined]


@pytest.fixture
def folder(home: Home) -> RunFolder:
    run = home.create(dense(3))
    task.run_task(str(run.path), EXECUTOR)
    return run


def test_what_fails_stands_in_the_log_and_the_run_stays_done(folder: RunFolder) -> None:
    sensitivity_task(str(folder.path), "tests.jobs.test_sensitivity:fail")
    assert "the pictures are gone" in folder.log_path.read_text()
    assert folder.state() == State.DONE


def test_curves_whose_process_is_killed_again_and_again_are_given_up(shared_home: Home) -> None:
    Queue(shared_home, EXECUTOR, "tests.jobs.test_sensitivity:die").submit([dense(5), dense(6)])
    for seed in (5, 6):
        folder = shared_home.run(dense(seed).run_id)
        deadline = time.monotonic() + 60
        while not folder.log_path.exists():
            assert time.monotonic() < deadline, folder.events()
            time.sleep(0.05)
        assert "killed 3 times" in folder.log_path.read_text()
        assert len(times(folder, "slice")) == MAX_LOST_SLICES
        assert folder.state() == State.DONE


def test_curves_that_lose_the_gpu_end_the_process_and_count_as_killed(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[str] = []

    def exit_process(status: int) -> NoReturn:
        lost.append((folder.path / "sensitivity.slices").read_text())
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", exit_process)
    with pytest.raises(SystemExit):
        sensitivity_task(str(folder.path), "tests.jobs.test_sensitivity:lose_the_gpu")
    assert lost == ["."]
    assert "it fell off" in folder.log_path.read_text()


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.RUNNING])
def test_a_run_that_is_not_done_has_no_curves(home: Home, state: State) -> None:
    folder = home.create(dense(4))
    folder.append(state.value)
    if state == State.RUNNING:
        with Lease(folder.path):
            sensitivity_task(str(folder.path), CURVES)
    else:
        sensitivity_task(str(folder.path), CURVES)
    assert not times(folder, "slice")


def test_a_folder_that_was_deleted_is_no_trouble(home: Home) -> None:
    sensitivity_task(str(home.run("dense-gone").path), CURVES)
    assert not home.run("dense-gone").path.exists()
