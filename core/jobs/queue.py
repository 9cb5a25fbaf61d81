"""Hand runs to the cluster. Which runs there are, and how far each is, stands in their folders only."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.jobs.cluster import call
from core.jobs.task import CURVES, EXECUTOR, curves_task, run_task
from core.runs.folder import UNFINISHED, Home, RunFolder, State
from core.runs.sensitivity import read_sensitivity
from core.spec.errors import InputError
from core.spec.grid import with_dense
from core.spec.spec import RunSpec

if TYPE_CHECKING:
    from distributed import Client, Scheduler

ACCEPT_SECONDS = 30.0
MAX_QUEUE = 5_000
CURVES_PRIORITY = -1  # a dense run has 1, a pruned one 0
WAITING = frozenset({State.QUEUED, State.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of the runs that were submitted, and of the dense runs they start from: ids of runs."""

    queued: tuple[str, ...]
    active: tuple[str, ...]  # queued or running before
    done: tuple[str, ...]


class Queue:
    """The queue of runs of ``home``. Safe in any thread and in any number of processes: nothing is held between calls.

    ``executor``: the function that executes a run's folder on a worker, as module:name. ``curves``: the one that computes
    a dense run's sensitivity curves; the engine's own beside its own executor, else none.
    """

    def __init__(self, home: Home, executor: str = EXECUTOR, curves: str | None = None) -> None:
        self.home = Home(home.path.resolve())
        self._executor = executor
        self._curves = curves or (CURVES if executor == EXECUTOR else None)

    def submit(self, specs: Iterable[RunSpec]) -> Submission:
        """Queue every run of ``specs`` that is neither done nor queued nor running, and the dense runs they need.

        InputError if the home cannot be written or the cluster not be reached (the runs then stay queued), or if more
        than 5,000 runs would be unfinished (nothing is queued then).
        """
        self.home.prepare()
        queued, active, done = [], [], []
        folders = []
        with self._locked():
            wanted = with_dense(specs)
            self._refuse_too_many(wanted)
            for spec in wanted:
                folder = self.home.create(spec)
                state = folder.state()
                if state == State.DONE:
                    done.append(folder.run_id)
                    continue
                folders.append(folder)
                if state in (State.RUNNING, State.CANCELLING) or (state == State.QUEUED and folder.events()):
                    active.append(folder.run_id)
                else:
                    folder.enqueue()
                    queued.append(folder.run_id)
        self._hand_over(folders)
        return Submission(tuple(queued), tuple(active), tuple(done))

    def _refuse_too_many(self, wanted: Iterable[RunSpec]) -> None:
        unfinished = {folder.run_id for folder in self.home.runs() if not folder.result_path.exists()}
        count = len(unfinished.union(spec.run_id for spec in wanted if not self.home.run(spec.run_id).path.exists()))
        if count > MAX_QUEUE:
            raise InputError(
                "{count:,} runs would be unfinished: launch at most {most:,} at a time, or delete some first.",
                count=count,
                most=MAX_QUEUE,
            )

    def cancel(self, run_id: str) -> None:
        """Cancel the run; with a dense run also those that wait for it.

        A running one stops within moments. What of a cancelled run still lies in Dask's queue ends when a worker takes it.
        """
        folder = self.home.run(run_id)
        if folder.state() not in UNFINISHED:
            return
        self.home.prepare()
        folder.request_cancel()
        if folder.spec.is_dense:
            for other in self._waiting():
                if other.spec.dense.run_id == run_id:
                    other.request_cancel()

    def retry(self, run_id: str) -> bool:
        """Queue a failed, cancelled or interrupted run again, and its dense run if that has the same trouble.

        False if there is nothing to retry: the run is done, queued or running.
        """
        return run_id in self.submit([self.home.run(run_id).spec]).queued

    def reconcile(self) -> int:
        """Hand every run that waits to the cluster, in case the one that knew of it is gone; how many there are.

        Without such a run this only looks at the folders.
        """
        waiting = self._waiting()
        self._hand_over(waiting)
        return len(waiting)

    def _waiting(self) -> list[RunFolder]:
        unfinished = (folder for folder in self.home.runs() if not folder.result_path.exists())
        return [folder for folder in unfinished if folder.state() in WAITING]

    def _hand_over(self, folders: Collection[RunFolder]) -> None:
        """Let the cluster know of those of ``folders`` that wait; those that it knows already are not run twice."""
        specs = [folder.spec for folder in folders if folder.state() in WAITING]
        if not specs:
            return
        for last_try in (False, True):
            try:
                call(self.home, lambda client: self._send(client, specs))
                break
            except OSError:  # a cluster at home that had nothing to do may end at just this moment
                if last_try:
                    raise InputError("The cluster did not take the runs, which stay queued: try again.") from None

    async def _send(self, client: Client, specs: list[RunSpec]) -> None:
        needed = {spec.run_id: self.home.create(spec) for spec in with_dense(specs)}
        keys = {run_id: _key(folder) for run_id, folder in needed.items() if folder.state() in UNFINISHED}
        curves = {run_id: f"{_key(needed[run_id])}-curves" for run_id in self._without_curves(needed.values())}
        known = await client.run_on_scheduler(_keep, [*keys.values(), *curves.values()])
        futures: dict[str, Any] = {}
        for run_id, key in keys.items():
            spec = needed[run_id].spec
            # A dense task always goes along: it may be known and gone a moment later, just when others come to wait for it.
            if spec.is_dense or key not in known:
                futures[run_id] = client.submit(
                    run_task,
                    str(needed[run_id].path),
                    self._executor,
                    None if spec.is_dense else futures.get(spec.dense.run_id),
                    key=key,
                    priority=int(spec.is_dense),
                    pure=False,
                )
        # After all runs: curves answer a question that nobody may have asked.
        later = [
            client.submit(
                curves_task,
                str(needed[run_id].path),
                self._curves,
                futures.get(run_id),
                key=key,
                priority=CURVES_PRIORITY,
                pure=False,
            )
            for run_id, key in curves.items()
            if key not in known
        ]
        await client.run_on_scheduler(_accept, [future.key for future in (*futures.values(), *later)])

    def _without_curves(self, folders: Iterable[RunFolder]) -> list[str]:
        """The dense ones of ``folders`` whose sensitivity curves are to be computed."""
        if self._curves is None:
            return []
        return [folder.run_id for folder in folders if folder.spec.is_dense and read_sensitivity(folder) is None]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time may look whether a run is queued and queue it."""
        with Path(self.home.cache / "queue.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _key(folder: RunFolder) -> str:
    """The task's name in Dask, which runs what has the same name once: a retry has a new one."""
    return f"{folder.run_id}-q{sum(event['type'] == 'queued' for event in folder.events())}"


def _keep(keys: list[str], dask_scheduler: Scheduler) -> set[str]:
    """On the scheduler: those of ``keys`` that it has tasks for, which now go on when the clients that sent them leave."""
    known = {key for key in keys if key in dask_scheduler.tasks}
    unfinished = [key for key in known if dask_scheduler.tasks[key].state not in ("memory", "erred")]
    dask_scheduler.client_desires_keys(keys=unfinished, client="fire-and-forget")
    return known


async def _accept(keys: list[str], dask_scheduler: Scheduler) -> None:
    """On the scheduler: wait until it has these tasks, then keep them.

    ``fire_and_forget`` is not enough: it is lost if it arrives while the scheduler is still reading the tasks, and they
    are lost with it if the client is gone by then.
    """
    deadline = time.monotonic() + ACCEPT_SECONDS
    while not all(key in dask_scheduler.tasks and dask_scheduler.tasks[key].run_spec for key in keys):
        if time.monotonic() > deadline:
            raise TimeoutError("the scheduler did not accept them in time")
        await asyncio.sleep(0.01)
    _keep(keys, dask_scheduler)
