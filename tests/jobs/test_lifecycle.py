"""The life of runs in any order of events: submit, start, kill, reboot, resume, cancel, retry, delete.

Real run folders, the real queue, worker's task, lease and :func:`core.engine.execute.execute`; in place of the training a
few epochs that only write the journal; in place of Dask a model of its scheduler; in place of processes threads that go on
only when they are told to. A longer search: PRUNESCOPE_LONG=1 python -m pytest tests/jobs/test_lifecycle.py
"""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.engine import execute as engine
from core.engine.context import raise_if_cancelled
from core.jobs import queue as queue_module
from core.jobs import task as task_module
from core.jobs.queue import WAITING, Queue
from core.jobs.task import EXECUTOR, run_task
from core.runs import lease as lease_module
from core.runs.folder import UNFINISHED, Home, RunFolder, State
from core.runs.lease import STALE_SECONDS, Lease
from core.runs.result import RunResult
from core.runs.trash import move_to_trash
from core.spec.errors import InputError
from core.spec.grid import with_dense
from core.spec.spec import RunSpec
from tests.jobs.fake_executor import dense, pruned
from tests.records import plausible_result

LONG = os.environ.get("PRUNESCOPE_LONG") == "1"
SPECS = {spec.run_id: spec for spec in (dense(1), pruned(1, 0.5), pruned(1, 0.9), dense(2), pruned(2))}
EPOCHS = 3
ENDED = frozenset({State.DONE, State.FAILED, State.CANCELLED})
SECONDS = 20.0  # until a thread that does not answer is an error

some_ids = st.lists(st.sampled_from(sorted(SPECS)), min_size=1, max_size=3, unique=True)
index = st.integers(0, 5)
turns = st.lists(index, min_size=1, max_size=8)


class Killed(BaseException):
    """What ends the thread of a process that was killed, when all is over; nobody may handle it."""


@dataclass
class Task:
    """What Dask knows of one run."""

    path: str
    dense: str | None  # the key of the task that it waits for
    state: str = "waiting"
    run_spec: bool = True


class Scheduler:
    """Of Dask's scheduler what the queue sees: tasks by key, forgotten when they are over and nobody waits for them."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}

    def client_desires_keys(self, keys: Collection[str], client: str) -> None:
        assert set(keys) <= self.tasks.keys()

    def waiting(self) -> list[str]:
        return sorted(key for key, task in self.tasks.items() if task.state == "waiting")

    def finish(self, key: str) -> None:
        self.tasks[key].state = "memory"
        needed = {task.dense for task in self.tasks.values() if task.state != "memory"}
        self.tasks = {key: task for key, task in self.tasks.items() if task.state != "memory" or key in needed}

    def with_client(self, home: Home, work: Callable[[Any], Any]) -> Any:
        return asyncio.run(work(self))

    # The client's side.

    async def run_on_scheduler(self, function: Callable[..., Any], keys: list[str]) -> Any:
        answer = function(keys, dask_scheduler=self)
        return await answer if inspect.isawaitable(answer) else answer

    def submit(self, function: object, path: str, executor: str, dense: Any, *, key: str, **options: object) -> Any:
        self.tasks.setdefault(key, Task(path, dense.key if dense else None))
        return SimpleNamespace(key=key)


@dataclass
class Machine:
    """Which processes there are, as identity() and is_alive() see them. Process 0 is the app."""

    boot: int = 1
    alive: set[int] = field(default_factory=lambda: {0})
    cut_off: set[int] = field(default_factory=set)  # on another machine, of which nothing is heard any more

    def identity(self) -> dict[str, Any]:
        thread = threading.current_thread()
        return {"host": "host", "machine": self.boot, "pid": thread.number if isinstance(thread, Worker) else 0}

    def is_alive(self, process: dict[str, Any]) -> bool | None:
        if process.get("machine") != self.boot or process["pid"] in self.cut_off:
            return None
        return process["pid"] in self.alive


class Worker(threading.Thread):
    """A process with one task. It stands still between two steps, until :meth:`go`."""

    def __init__(self, number: int, key: str, path: str) -> None:
        super().__init__(daemon=True)
        self.number, self.key, self.path = number, key, path
        self.order = ""
        self.executing: Path | None = None
        self.saw_waiting: str | None = None  # a run that it is about to execute
        self.over = False
        self.error: Exception | None = None
        self._turn, self._stands = threading.Semaphore(0), threading.Semaphore(0)

    def run(self) -> None:
        try:
            run_task(self.path, EXECUTOR)
        except Killed:
            pass
        except Exception as error:
            self.error = error
        self.over = True
        self._stands.release()

    def begin(self) -> None:
        self.start()
        assert self._stands.acquire(timeout=SECONDS)

    def go(self, order: str = "") -> None:
        """One step; ``order``: fail, die or nothing."""
        self.order = order
        self._turn.release()
        assert self._stands.acquire(timeout=SECONDS)

    def stand(self) -> None:
        self._stands.release()
        self._turn.acquire()
        if self.order == "die":
            raise Killed


def current_worker() -> Worker:
    thread = threading.current_thread()
    assert isinstance(thread, Worker)
    return thread


def train(folder: RunFolder, lease: Lease) -> RunResult:
    """In the place of all that an execution does under its lease."""
    worker = current_worker()
    worker.executing = folder.path
    try:
        raise_if_cancelled(folder)
        folder.append("started", attempt=lease.attempt)
        done = sum(event["type"] == "epoch" for event in folder.events())
        for epoch in range(done, EPOCHS):
            worker.stand()
            if worker.order == "fail":
                raise RuntimeError("the model says so")
            raise_if_cancelled(folder)
            lease.check()
            folder.append("epoch", epoch=epoch + 1)
        return plausible_result(folder.spec)
    finally:
        worker.executing = None


def execute(path: Path) -> State:
    """The engine's, but between a look at the run's state and its lease there is time for others."""
    worker = current_worker()
    worker.saw_waiting = path.name if RunFolder(path).state() in WAITING else None
    worker.stand()
    return engine.execute(path)


class Lifecycle(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.home = Home(Path(tempfile.mkdtemp(prefix="lifecycle-"))).prepare()
        self.queue = Queue(self.home, "the model's workers:know it")
        self.machine, self.scheduler = Machine(), Scheduler()
        self.workers: list[Worker] = []  # alive
        self.dead: list[Worker] = []
        self.ends_cold = False
        self.results: dict[str, bytes] = {}
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(lease_module, "identity", self.machine.identity)
        self.patch.setattr(lease_module, "is_alive", self.machine.is_alive)
        self.patch.setattr(lease_module, "HEARTBEAT_SECONDS", 1e6)
        self.patch.setattr(task_module, "time", SimpleNamespace(sleep=lambda _: current_worker().stand()))
        self.patch.setattr(queue_module, "with_client", self.scheduler.with_client)
        self.patch.setattr(task_module, "load_function", lambda _: execute)
        self.patch.setattr(engine, "_run", train)
        # Half of the time would go into it.
        self.patch.setattr(RunSpec, "run_id", property(cache(RunSpec.run_id.fget)))
        self.patch.setattr(os, "fsync", lambda _: None)  # the power stays on

    def teardown(self) -> None:
        try:
            self._everything_comes_to_an_end()
        finally:
            for worker in (*self.workers, *self.dead):
                if not worker.over:
                    worker.go("die")
            self.patch.undo()
            shutil.rmtree(self.home.path)

    # What people do.

    @rule(ids=some_ids)
    def submit(self, ids: list[str]) -> None:
        specs = with_dense([SPECS[run_id] for run_id in ids])
        wanted = {spec.run_id for spec in specs}
        with self._changing(wanted, revived=wanted):
            submission = self.queue.submit(specs)
        assert sorted((*submission.queued, *submission.active, *submission.done)) == sorted(wanted)

    @precondition(lambda self: self.home.runs())
    @rule(which=index)
    def cancel(self, which: int) -> None:
        run_id = self._pick(which)
        concerned = {run_id} | {other for other in SPECS if SPECS[run_id].is_dense and self._dense(other) == run_id}
        before = self.home.run(run_id).state()
        with self._changing(concerned):
            self.queue.cancel(run_id)
        if before in UNFINISHED:
            assert self.home.run(run_id).state() in (State.CANCELLING, State.CANCELLED)

    @precondition(lambda self: self.home.runs())
    @rule(which=index)
    def retry(self, which: int) -> None:
        run_id = self._pick(which)
        before = self.home.run(run_id).state()
        ids = {run_id, self._dense(run_id)}
        with self._changing(ids, revived=ids):
            retried = self.queue.retry(run_id)
        assert retried or before not in (State.FAILED, State.CANCELLED, State.INTERRUPTED)
        assert not retried or before != State.DONE

    @rule()
    def look(self) -> None:
        """What the app does now and then: hand over what waits. No folder changes by it."""
        with self._changing(set()):
            self.queue.reconcile()

    @precondition(lambda self: self.home.runs())
    @rule(which=index, more=st.booleans())
    def delete(self, which: int, more: bool) -> None:
        ids = [self._pick(which)]
        if more:  # a dense run goes with all that start from it
            ids = [folder.run_id for folder in self.home.runs() if self._dense(folder.run_id) == self._dense(ids[0])]
        before = self._states()
        with self._changing(ids, revived=ids):
            try:
                moved = move_to_trash(self.home, ids)
            except InputError as error:
                assert "\n" not in str(error)
                assert self._states() == before
                return
        assert not any(before[run_id] in (State.QUEUED, State.RUNNING, State.CANCELLING) for run_id in ids)
        assert {path.parent for path in moved} == {self.home.trash}
        for run_id, path in zip(ids, moved, strict=True):
            if run_id in self.results:
                assert (path / "result.json").read_bytes() == self.results.pop(run_id)

    # What the machines do.

    @initialize(turns=turns, cold=st.booleans())
    def begin(self, turns: list[int], cold: bool) -> None:
        self.ends_cold = cold
        self.submit(list(SPECS))
        self.work(turns)

    @rule(turns=turns)
    def work(self, turns: list[int]) -> None:
        """Each turn a worker goes one step on, or one begins with a task that waits."""
        for turn in turns:
            keys = self.scheduler.waiting()
            at = turn % max(1, len(self.workers) + len(keys))
            if at < len(self.workers):
                self._go(self.workers[at])
            elif keys:
                self._start(keys[at - len(self.workers)])

    @precondition(lambda self: self.workers)
    @rule(which=index)
    def fail(self, which: int) -> None:
        self._go(self.workers[which % len(self.workers)], order="fail")

    def _start(self, key: str) -> Worker:
        task = self.scheduler.tasks[key]
        task.state = "processing"
        worker = Worker(len(self.workers) + len(self.dead) + 1, key, task.path)
        self.machine.alive.add(worker.number)
        self.workers.append(worker)
        with self._changing(self._of(worker)):
            worker.begin()
        self._gone_if_over(worker)
        return worker

    def _go(self, worker: Worker, steps: int = 1, order: str = "") -> None:
        # A run that failed at just the moment when this one was about to take it over is executed once more.
        with self._changing(self._of(worker), revived=[worker.saw_waiting]):
            for _ in range(steps):
                if not worker.over:
                    worker.go(order)
        self._gone_if_over(worker)

    @precondition(lambda self: self.workers)
    @rule(which=index)
    def kill(self, which: int) -> None:
        """A worker dies, and Dask gives its task to another."""
        worker = self.workers[which % len(self.workers)]
        self._die([worker])
        self._give_to_another(worker)

    @rule(reboot=st.booleans())
    def kill_all(self, reboot: bool) -> None:
        """Scheduler and workers die. After a reboot nobody can know that of a process that ran before."""
        self._die(self.workers)
        self.scheduler.tasks.clear()
        self.machine.boot += reboot

    @precondition(lambda self: self.workers)
    @rule(which=index)
    def cut_off(self, which: int) -> None:
        """Of a worker nothing is heard for so long that it counts as dead; it may go on later, and not know of it."""
        worker = self.workers[which % len(self.workers)]
        self.machine.cut_off.add(worker.number)
        if worker.executing:
            self._age(worker.executing)
        self._give_to_another(worker)

    @rule()
    def a_minute_passes(self) -> None:
        busy = {worker.executing for worker in self.workers if worker.number not in self.machine.cut_off}
        for folder in self.home.runs():
            if folder.path not in busy:
                self._age(folder.path)

    # What must hold, whatever happened.

    @invariant()
    def a_result_stays(self) -> None:
        for folder in self.home.runs():
            if folder.result_path.exists():
                assert folder.state() == State.DONE
                assert folder.result_path.read_bytes() == self.results.setdefault(
                    folder.run_id, folder.result_path.read_bytes()
                )
        assert all(self.home.run(run_id).result_path.exists() for run_id in self.results)

    @invariant()
    def a_run_has_one_owner(self) -> None:
        at_work = [
            worker.executing
            for worker in self.workers
            if worker.executing and worker.number not in self.machine.cut_off
        ]
        assert len(at_work) == len(set(at_work))

    @invariant()
    def the_state_says_what_is_there(self) -> None:
        at_work = {worker.executing for worker in self.workers if worker.number not in self.machine.cut_off}
        for folder in self.home.runs():
            state, failure = folder.describe()
            assert (state == State.FAILED) == (failure is not None)
            assert (state == State.DONE) == folder.result_path.exists()
            if folder.path in at_work:
                assert state == (State.CANCELLING if folder.cancel_requested else State.RUNNING)

    @contextmanager
    def _changing(self, ids: Collection[str], *, revived: Collection[str | None] = ()) -> Iterator[None]:
        """Only the runs ``ids`` change, and of those that ended only the ``revived``."""
        files, states = self._files(), self._states()
        yield
        after, states_after = self._files(), self._states()
        for run_id in files.keys() | after.keys():
            if run_id not in ids:
                assert after.get(run_id) == files.get(run_id), f"{run_id} was changed"
        for run_id, state in states.items():
            if state in ENDED and run_id not in revived:
                assert states_after[run_id] == state, (run_id, state, self.home.run(run_id).events())

    def _everything_comes_to_an_end(self) -> None:
        """With nobody interfering any more, no run is left over, whether or not all processes died just now."""
        if self.ends_cold:
            self.kill_all(reboot=True)
        for _ in range(20):
            for worker in list(self.workers):
                self._go(worker, EPOCHS + 2)
            self.a_minute_passes()
            self.queue.reconcile()
            for key in self.scheduler.waiting():
                self._start(key)
        assert not self.workers
        assert set(self._states().values()) <= ENDED

    def _pick(self, which: int) -> str:
        """One of the runs that are there, first those at work."""
        at_work = {worker.executing for worker in self.workers}
        folders = sorted(self.home.runs(), key=lambda folder: folder.path not in at_work)
        return folders[which % len(folders)].run_id

    def _of(self, worker: Worker) -> set[str]:
        run_id = Path(worker.path).name
        return {run_id, self._dense(run_id)}

    def _dense(self, run_id: str) -> str:
        return SPECS[run_id].dense.run_id

    def _states(self) -> dict[str, State]:
        return {folder.run_id: folder.state() for folder in self.home.runs()}

    def _files(self) -> dict[str, list[tuple[str, int, int]]]:
        """What changes whenever a run's folder is written to."""
        return {folder.run_id: sorted(map(_signature, os.scandir(folder.path))) for folder in self.home.runs()}

    def _age(self, folder: Path) -> None:
        old = time.time() - STALE_SECONDS - 1
        for path in folder.glob("attempt-*"):
            os.utime(path, (old, old))

    def _give_to_another(self, worker: Worker) -> None:
        if worker.key in self.scheduler.tasks:
            other = self._start(worker.key)
            if not other.over:
                self._go(other)

    def _die(self, workers: Collection[Worker]) -> None:
        for worker in list(workers):
            self.machine.alive.discard(worker.number)
            self.workers.remove(worker)
            self.dead.append(worker)

    def _gone_if_over(self, worker: Worker) -> None:
        if worker.over:
            assert worker.error is None, worker.error
            self.machine.alive.discard(worker.number)
            self.workers.remove(worker)
            self.dead.append(worker)
            if worker.number not in self.machine.cut_off and worker.key in self.scheduler.tasks:
                self.scheduler.finish(worker.key)


def _signature(entry: os.DirEntry[str]) -> tuple[str, int, int]:
    stat = entry.stat()
    return entry.name, stat.st_ino, stat.st_mtime_ns


Lifecycle.TestCase.settings = settings(
    max_examples=3000 if LONG else 40,
    stateful_step_count=100 if LONG else 30,
    deadline=None,
    derandomize=not LONG,  # the short version always walks the same paths
    suppress_health_check=[HealthCheck.too_slow],
)
test_lifecycle = Lifecycle.TestCase
