"""What a worker does with one run, called in this process."""

from __future__ import annotations

import threading

import pytest

from core.jobs import task
from core.jobs.task import MAX_STARTS_WITHOUT_PROGRESS, run_task
from core.runs.failure import FailureCode
from core.runs.folder import Home, RunFolder, State
from core.runs.lease import Lease
from tests.jobs.fake_executor import EXECUTOR, dense, pruned, tell, times


@pytest.fixture(autouse=True)
def fast_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "POLL_SECONDS", 0.02)


def test_a_pruned_run_makes_sure_of_its_dense_run(home: Home) -> None:
    dense_folder, folder = home.create(dense(1)), home.create(pruned(1))
    assert run_task(str(folder.path), EXECUTOR) == "done"
    assert dense_folder.state() == State.DONE
    assert times(dense_folder, "done") <= times(folder, "started")


def test_a_finished_run_is_not_executed_again(home: Home) -> None:
    folder = home.create(dense(1))
    assert [run_task(str(folder.path), EXECUTOR) for _ in range(2)] == ["done", "done"]
    assert len(times(folder, "started")) == 1


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_a_task_that_comes_late_leaves_an_ended_run_alone(home: Home, state: State) -> None:
    folder = home.create(dense(1))
    folder.append(state.value)
    assert run_task(str(folder.path), EXECUTOR) == state.value
    assert not times(folder, "started")


def test_an_unexpected_error_is_one_line_in_the_journal_and_a_traceback_in_the_log(home: Home) -> None:
    folder = home.create(dense(1))
    tell(folder, "raise")
    assert run_task(str(folder.path), EXECUTOR) == "failed"
    assert folder.state() == State.FAILED
    assert str(folder.describe()[1].message) == "RuntimeError: the disk is on fire"
    assert "Traceback" in folder.log_path.read_text()
    assert 'in execute\n    raise RuntimeError("the disk' in folder.log_path.read_text()


def test_an_engine_that_cannot_be_loaded_is_a_failure_of_the_run(home: Home) -> None:
    folder = home.create(dense(1))
    assert run_task(str(folder.path), "no_such_engine:execute") == "failed"
    assert "no_such_engine" in str(folder.describe()[1].message)


def test_a_damaged_spec_is_a_failure_of_the_run(home: Home) -> None:
    folder = home.create(dense(1))
    folder.spec_path.write_text("{")
    assert run_task(str(folder.path), EXECUTOR) == "failed"
    assert "spec.json is damaged" in str(folder.describe()[1].message)


def test_a_folder_that_was_deleted_stays_deleted(home: Home) -> None:
    path = home.checkpoints / dense(1).run_id
    assert run_task(str(path), EXECUTOR) == "cancelled"
    assert not path.exists()


def test_a_failed_dense_run_fails_those_that_start_from_it(home: Home) -> None:
    dense_folder, folder = home.create(dense(1)), home.create(pruned(1))
    tell(dense_folder, "raise")
    assert run_task(str(dense_folder.path), EXECUTOR) == "failed"
    assert run_task(str(folder.path), EXECUTOR) == "failed"
    reason = f"Its dense run {dense_folder.run_id} failed: RuntimeError: the disk is on fire. Retry runs both."
    assert folder.state() == State.FAILED
    assert str(folder.describe()[1].message) == reason


def test_a_cancelled_dense_run_cancels_those_that_start_from_it(home: Home) -> None:
    home.create(dense(1)).request_cancel()
    folder = home.create(pruned(1))
    assert run_task(str(folder.path), EXECUTOR) == "cancelled"
    assert folder.state() == State.CANCELLED
    assert not times(folder, "started")


def test_a_run_that_kills_its_process_every_time_is_given_up_until_it_is_queued_again(home: Home) -> None:
    folder = home.create(dense(1))
    for attempt in range(MAX_STARTS_WITHOUT_PROGRESS):
        folder.append("started", attempt=attempt)
    assert run_task(str(folder.path), EXECUTOR) == "failed"
    assert "killed 5 times" in str(folder.describe()[1].message)
    folder.enqueue()
    assert run_task(str(folder.path), EXECUTOR) == "done"


def test_a_run_that_gets_on_may_be_interrupted_any_number_of_times(home: Home) -> None:
    folder = home.create(dense(1))
    for attempt in range(2 * MAX_STARTS_WITHOUT_PROGRESS):
        folder.append("started", attempt=attempt)
        folder.append("epoch", epoch=attempt)
    assert run_task(str(folder.path), EXECUTOR) == "done"


def test_in_one_process_a_lost_gpu_fails_the_run_that_met_it_and_those_that_start_from_it(home: Home) -> None:
    dense_folder, folder = home.create(dense(1)), home.create(pruned(1))
    tell(dense_folder, "lose the GPU")
    assert run_task(str(folder.path), EXECUTOR) == "failed"
    assert str(dense_folder.describe()[1].message) == "it fell off"
    assert folder.describe()[1].code == FailureCode.DENSE_FAILED


def test_a_run_that_another_process_has_is_waited_for_and_taken_over_if_that_ends(home: Home) -> None:
    folder = home.create(dense(1))
    ended: list[str] = []
    with Lease(folder.path):
        thread = threading.Thread(target=lambda: ended.append(run_task(str(folder.path), EXECUTOR)))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        assert [event["type"] for event in folder.events()] == []
    thread.join(10)
    assert ended == ["done"]


def test_a_pruned_run_that_is_queued_again_as_its_old_task_starts_is_left_to_its_new_one(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home.create(pruned(1))
    folder.append("cancelled")
    state = RunFolder.state

    def enqueue_after_reading(self: RunFolder) -> State:
        before = state(self)
        if before == State.CANCELLED:
            self.enqueue()
        return before

    monkeypatch.setattr(RunFolder, "state", enqueue_after_reading)
    assert run_task(str(folder.path), EXECUTOR) == "cancelled"
    assert not times(folder, "started")
