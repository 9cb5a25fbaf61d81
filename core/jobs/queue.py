"""Submit runs to the cluster. Which runs there are, and their states, are in their folders only."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.jobs.cluster import with_client
from core.jobs.task import EXECUTOR, SENSITIVITY, measure_task, sensitivity_task, worker_task
from core.runs.folder import UNFINISHED, Home, RunFolder, State
from core.runs.sensitivity import read_sensitivity
from core.spec.errors import InputError
from core.spec.grid import with_dense
from core.spec.spec import RunSpec

if TYPE_CHECKING:
    from distributed import Client, Scheduler

ACCEPT_SECONDS = 30.0
MAX_QUEUE = 5_000
SENSITIVITY_PRIORITY = -1  # a dense run has 1, a pruned one 0
WAITING = frozenset({State.QUEUED, State.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of the runs that were submitted, and of the dense runs they start from: ids of runs."""

    queued: tuple[str, ...]
    active: tuple[str, ...]  # queued or running before
    done: tuple[str, ...]


class Queue:
    """The queue of runs of ``home``. Safe in any thread and in any number of processes: it has no state of its own.
    ``executor``: the function that executes a run's folder on a worker, as module:name. ``sensitivity``: the one that
    computes a dense run's sensitivity curves; by default the engine's own beside its own executor, else none."""

    def __init__(self, home: Home, executor: str = EXECUTOR, sensitivity: str | None = None) -> None:
        self.home = Home(home.path.resolve())
        self._executor = executor
        self._sensitivity = sensitivity or (SENSITIVITY if executor == EXECUTOR else None)

    def submit(self, specs: Iterable[RunSpec], launch: str | None = None) -> Submission:
        """Queue every run of ``specs`` that is neither done nor queued nor running, and the dense runs they need; their
        journals note the id ``launch``. InputError if the home cannot be written or the cluster not be reached (the runs
        then stay queued), or if more than 5,000 runs would be unfinished (nothing is queued then)."""
        self.home.prepare()
        queued, active, done = [], [], []
        folders = []
        with self._locked():
            runs = with_dense(specs)
            self._check_size(runs)
            for spec in runs:
                folder = self.home.create(spec)
                state = folder.state()
                if state == State.DONE:
                    done.append(folder.run_id)
                    continue
                folders.append(folder)
                if state in (State.RUNNING, State.CANCELLING) or (state == State.QUEUED and folder.events()):
                    active.append(folder.run_id)
                else:
                    folder.enqueue(launch)
                    queued.append(folder.run_id)
        self._dispatch(folders)
        return Submission(tuple(queued), tuple(active), tuple(done))

    def _check_size(self, runs: Iterable[RunSpec]) -> None:
        unfinished = {folder.run_id for folder in self.home.runs() if not folder.result_path.exists()}
        count = len(unfinished.union(spec.run_id for spec in runs if not self.home.run(spec.run_id).path.exists()))
        if count > MAX_QUEUE:
            raise InputError(
                "{count:,} runs would be unfinished: launch at most {most:,} at a time, or delete some first.",
                count=count,
                most=MAX_QUEUE,
            )

    def cancel(self, run_id: str) -> list[str]:
        """Cancel the run; with a dense run also those that wait for it: the ids of all of them. A running one stops within
        moments. The task of one that waits stays in Dask's queue and ends as soon as it starts."""
        folder = self.home.run(run_id)
        if folder.state() not in UNFINISHED:
            return []
        self.home.prepare()
        folder.request_cancel()
        waiting = self._waiting() if folder.spec.is_dense else []
        cancelled = [folder, *(other for other in waiting if other.spec.dense.run_id == run_id)]
        for other in cancelled[1:]:
            other.request_cancel()
        return [each.run_id for each in cancelled]

    def measure(self, run_id: str) -> None:
        """Let a worker time the networks of the run's study again, in one go. InputError if the cluster is not reached."""
        path, key = str(self.home.run(run_id).path), f"measure-{run_id}-{time.time_ns()}"

        async def submit(client: Client) -> None:
            future = client.submit(measure_task, path, key=key, priority=SENSITIVITY_PRIORITY, pure=False)
            await client.run_on_scheduler(_wait_for_tasks, [future.key])

        self._with_client(submit)

    def retry(self, run_id: str) -> bool:
        """Queue a failed, cancelled or interrupted run again, and its dense run if that is in such a state too. False
        if there is nothing to retry: the run is done, queued or running."""
        return run_id in self.submit([self.home.run(run_id).spec]).queued

    def reconcile(self) -> int:
        """Submit every run that waits, in case the cluster that had it is gone; the number of them. Where no run waits,
        no cluster is started."""
        waiting = self._waiting()
        self._dispatch(waiting)
        return len(waiting)

    def _waiting(self) -> list[RunFolder]:
        unfinished = (folder for folder in self.home.runs() if not folder.result_path.exists())
        return [folder for folder in unfinished if folder.state() in WAITING]

    def _dispatch(self, folders: Collection[RunFolder]) -> None:
        """Submit those of ``folders`` that wait to the cluster; one that it has already is not run twice."""
        specs = [folder.spec for folder in folders if folder.state() in WAITING]
        if not specs:
            return
        self._with_client(lambda client: self._submit_tasks(client, specs))

    def _with_client(self, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
        for last_try in (False, True):
            try:
                with_client(self.home, work)
                break
            except OSError:  # an idle local cluster may end at just this moment
                if last_try:
                    raise InputError("The cluster did not take the runs, which stay queued: try again.") from None

    async def _submit_tasks(self, client: Client, specs: list[RunSpec]) -> None:
        folders = {spec.run_id: self.home.create(spec) for spec in with_dense(specs)}
        keys = {run_id: _key(folder) for run_id, folder in folders.items() if folder.state() in UNFINISHED}
        later = {run_id: f"{_key(folders[run_id])}-curves" for run_id in self._without_sensitivity(folders.values())}
        known = await client.run_on_scheduler(_detach_tasks, [*keys.values(), *later.values()])

        futures: dict[str, Any] = {}

        def submit(task: Callable[..., Any], run_id: str, function: str | None, key: str, priority: int) -> Any:
            folder = folders[run_id]
            dense = futures.get(folder.spec.dense.run_id)  # None for a dense run, which is not submitted yet
            return client.submit(
                task,
                str(folder.path),
                function,
                dense,
                key=key,
                priority=priority,
                pure=False,
                fifo_timeout=0,  # else those of one moment would be executed in no particular order
            )

        for run_id, key in keys.items():
            is_dense = folders[run_id].spec.is_dense
            # A dense task is always sent: one that is known may be gone a moment later, when others come to wait for it.
            if is_dense or key not in known:
                futures[run_id] = submit(worker_task, run_id, self._executor, key, int(is_dense))
        for run_id, key in later.items():
            if key not in known:
                futures[key] = submit(sensitivity_task, run_id, self._sensitivity, key, SENSITIVITY_PRIORITY)
        await client.run_on_scheduler(_wait_for_tasks, [future.key for future in futures.values()])

    def _without_sensitivity(self, folders: Iterable[RunFolder]) -> list[str]:
        """The dense ones of ``folders`` whose sensitivity curves are to be computed."""
        if self._sensitivity is None:
            return []
        return [folder.run_id for folder in folders if folder.spec.is_dense and read_sensitivity(folder) is None]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Serialises reading whether a run is queued and queueing it, over all processes."""
        with Path(self.home.cache / "queue.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _key(folder: RunFolder) -> str:
    """The task's name in Dask, which runs what has the same name once: a retry has a new one."""
    return f"{folder.run_id}-q{sum(event['type'] == 'queued' for event in folder.events())}"


def _detach_tasks(keys: list[str], dask_scheduler: Scheduler) -> set[str]:
    """On the scheduler: those of ``keys`` that it has tasks for, which now go on after their clients have left."""
    known = {key for key in keys if key in dask_scheduler.tasks}
    unfinished = [key for key in known if dask_scheduler.tasks[key].state not in ("memory", "erred")]
    dask_scheduler.client_desires_keys(keys=unfinished, client="fire-and-forget")
    return known


async def _wait_for_tasks(keys: list[str], dask_scheduler: Scheduler) -> None:
    """On the scheduler: wait until it has these tasks, then detach them from the client. ``fire_and_forget`` is not
    enough: it is lost if it arrives while the scheduler is still reading the tasks, and they are lost with it if the
    client is gone by then."""
    deadline = time.monotonic() + ACCEPT_SECONDS
    while not all(key in dask_scheduler.tasks and dask_scheduler.tasks[key].run_spec for key in keys):
        if time.monotonic() > deadline:
            raise TimeoutError("the scheduler did not accept them in time")
        await asyncio.sleep(0.01)
    _detach_tasks(keys, dask_scheduler)
