"""The queue with a real cluster at home, which all tests here share."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from core.jobs.cluster import with_client
from core.jobs.queue import Queue
from core.runs.folder import Home, State
from core.spec.errors import InputError
from tests.jobs.clusters import cluster_running
from tests.jobs.fake_executor import EXECUTOR, dense, pruned, tell, times, wait_until

if TYPE_CHECKING:
    from distributed import Scheduler

ENDED = (State.DONE, State.FAILED, State.CANCELLED)


@pytest.fixture
def queue(shared_home: Home) -> Queue:
    return Queue(shared_home, EXECUTOR)


def test_pruned_runs_come_in_their_order_after_their_dense_run_which_is_trained_once(queue: Queue) -> None:
    specs = [pruned(1, sparsity) for sparsity in (0.9, 0.5, 0.95, 0.3, 0.7, 0.4)]
    ids = (dense(1).run_id, *(spec.run_id for spec in specs))
    submission = queue.submit(specs)
    assert (submission.queued, submission.active, submission.done) == (ids, (), ())
    folders = [queue.home.run(run_id) for run_id in ids]
    assert [wait_until(folder, *ENDED) for folder in folders] == [State.DONE] * len(ids)
    starts = [times(folder, "started") for folder in folders]
    assert [len(each) for each in starts] == [1] * len(ids)
    assert starts == sorted(starts)
    assert times(folders[0], "done") <= starts[1]
    assert queue.submit(specs).done == ids
    assert [len(times(folder, "queued")) for folder in folders] == [1] * len(ids)


def test_processes_that_launch_the_same_and_are_killed_at_once_lead_to_one_run_each(queue: Queue) -> None:
    submit = (
        "import os, signal, sys; from pathlib import Path; from core.jobs.queue import Queue;"
        "from core.runs.folder import Home; from tests.jobs.fake_executor import *;"
        "queue = Queue(Home(Path(sys.argv[1])), EXECUTOR); queue.submit([pruned(2)]);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", submit, str(queue.home.path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [(b"", -9)] * 2
    for spec in (dense(2), pruned(2)):
        folder = queue.home.run(spec.run_id)
        assert wait_until(folder, *ENDED) == State.DONE
        assert (len(times(folder, "queued")), len(times(folder, "started"))) == (1, 1)


def test_a_queued_run_that_is_cancelled_never_starts_and_holds_nothing_up(queue: Queue) -> None:
    first, second, third = (queue.home.create(dense(seed)) for seed in (10, 11, 12))
    tell(first, "hold")
    queue.submit([folder.spec for folder in (first, second, third)])
    wait_until(first, State.RUNNING)
    queue.cancel(second.run_id)
    assert second.state() == State.CANCELLED
    tell(first, "")
    assert wait_until(third, *ENDED) == State.DONE
    assert second.state() == State.CANCELLED
    assert not times(second, "started")
    assert queue.retry(second.run_id)
    assert wait_until(second, *ENDED) == State.DONE


def test_a_running_run_that_is_cancelled_stops(queue: Queue) -> None:
    folder = queue.home.create(dense(20))
    tell(folder, "hold")
    queue.submit([folder.spec])
    wait_until(folder, State.RUNNING)
    queue.cancel(folder.run_id)
    assert wait_until(folder, *ENDED) == State.CANCELLED
    assert len(times(folder, "cancelled")) == 1


def test_cancelling_a_dense_run_cancels_what_waits_for_it_and_retrying_that_runs_both(queue: Queue) -> None:
    dense_folder, folder = queue.home.create(dense(30)), queue.home.create(pruned(30))
    tell(dense_folder, "hold")
    queue.submit([folder.spec])
    wait_until(dense_folder, State.RUNNING)
    queue.cancel(dense_folder.run_id)
    assert folder.state() == State.CANCELLED
    assert wait_until(dense_folder, *ENDED) == State.CANCELLED
    tell(dense_folder, "")
    assert queue.retry(folder.run_id)
    assert wait_until(folder, *ENDED) == State.DONE
    assert dense_folder.state() == State.DONE


def test_a_failed_dense_run_fails_its_pruned_run_and_retrying_that_runs_both(queue: Queue) -> None:
    dense_folder, folder = queue.home.create(dense(40)), queue.home.create(pruned(40))
    tell(dense_folder, "raise")
    queue.submit([folder.spec])
    assert wait_until(folder, *ENDED) == State.FAILED
    assert str(folder.describe()[1].message).startswith(f"Its dense run {dense_folder.run_id} failed: ")
    tell(dense_folder, "")
    assert queue.retry(folder.run_id)
    assert wait_until(folder, *ENDED) == State.DONE
    assert not queue.retry(folder.run_id)


def test_a_run_whose_worker_is_killed_is_executed_again_by_a_new_one(queue: Queue) -> None:
    folder = queue.home.create(dense(50))
    tell(folder, "die once")
    queue.submit([folder.spec])
    assert wait_until(folder, *ENDED) == State.DONE
    pids = {event["pid"] for event in folder.events() if event["type"] == "started"}
    assert len(pids) == 2


def test_after_a_run_that_lost_the_gpu_its_worker_is_another_process_and_the_run_is_not_repeated(queue: Queue) -> None:
    broken, pruned_from_it, other = (queue.home.create(spec) for spec in (dense(31), pruned(31), dense(32)))
    tell(broken, "lose the GPU")
    queue.submit([pruned_from_it.spec, other.spec])
    assert [wait_until(folder, *ENDED) for folder in (broken, pruned_from_it, other)] == [
        *[State.FAILED] * 2,
        State.DONE,
    ]
    assert len(times(broken, "started")) == 1
    assert not times(pruned_from_it, "started")
    first, second = (folder.events() for folder in (broken, other))
    assert len({event["pid"] for event in (*first, *second) if event["type"] == "started"}) == 2


def test_runs_that_no_cluster_knows_of_are_handed_over_once(queue: Queue) -> None:
    first, second = queue.home.create(dense(60)), queue.home.create(pruned(60))
    for folder in (first, second):
        folder.enqueue()
    tell(first, "hold")
    assert queue.reconcile() == 2
    wait_until(first, State.RUNNING)
    assert queue.reconcile() == 1
    assert with_client(queue.home, lambda client: client.run_on_scheduler(_count_tasks)) == 2
    tell(first, "")
    assert wait_until(second, *ENDED) == State.DONE
    assert queue.reconcile() == 0
    for folder in (first, second):
        assert (len(times(folder, "queued")), len(times(folder, "started"))) == (1, 1)


def _count_tasks(dask_scheduler: Scheduler) -> int:
    return len(dask_scheduler.tasks)


def test_submitting_mends_damaged_files(queue: Queue) -> None:
    folder = queue.home.create(dense(70))
    folder.spec_path.write_text("{")
    folder.result_path.write_text("{")
    assert folder.state() == State.FAILED
    assert queue.submit([dense(70)]).queued == (folder.run_id,)
    assert wait_until(folder, *ENDED) == State.DONE


def test_a_run_that_is_not_there_cannot_be_retried(queue: Queue) -> None:
    for name in ("dense-seed1-demo-000000000000", "../elsewhere"):
        with pytest.raises(InputError) as error:
            queue.retry(name)
        assert "\n" not in str(error.value)


def test_looking_for_work_where_there_is_none_starts_nothing_and_loads_no_dask(home: Home) -> None:
    look = (
        "import sys; from pathlib import Path; from core.jobs.queue import Queue; from core.runs.folder import Home;"
        "queue = Queue(Home(Path(sys.argv[1]))); assert queue.reconcile() == 0; queue.cancel('dense-seed1-demo-0');"
        "sys.exit(any(name in sys.modules for name in ('distributed', 'dask', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", look, str(home.path)], check=False).returncode == 0
    assert not cluster_running(home)


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("readonly") / "file"
    path.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Queue(Home(path), EXECUTOR).submit([dense(1)])


def test_a_queue_that_would_grow_too_long_is_refused_and_nothing_is_queued(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.queue.MAX_QUEUE", 2)
    with pytest.raises(InputError, match="at most 2 at a time"):
        Queue(home, EXECUTOR).submit([dense(seed) for seed in (1, 2, 3)])
    assert not home.runs()
