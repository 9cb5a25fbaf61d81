"""The tasks of a worker: execute one run, after its dense run if that is not done; compute sensitivity curves; time the
networks of a study after its last run."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from core.i18n import Message
from core.runs.failure import DeviceUnusableError, FailureCode, RunFailure
from core.runs.folder import UNFINISHED, RunFolder, State
from core.runs.lease import LeaseHeldError
from core.spec.errors import InputError
from core.spec.method import load_function

EXECUTOR = "core.engine.execute:execute"
SENSITIVITY = "core.engine.sensitivity:measure_sensitivity"
MEASURE_STUDY = "core.engine.measure:measure_study_of"
MEASURE_AFTER_LAST = "core.engine.measure:measure_after_last"
POLL_SECONDS = 1.0
SLICE_SECONDS = 20.0  # of sensitivity curves at a time: a run may have to wait that long
MAX_LOST_SLICES = 3
# Then a run has failed: its process was killed every time, as for want of memory.
MAX_STARTS_WITHOUT_PROGRESS = 5

Executor = Callable[[Path], Any]


def worker_task(run_path: str, executor: str = EXECUTOR, dense: object = None) -> str:
    """:func:`run_task` on a worker. If its GPU becomes unusable, the worker's process ends, and Dask starts this task again
    in a new one: as the run that met it has ended by then, it is not executed again.

    ``dense``: only a dependency for Dask; the dense run's state is read from its folder.
    """
    try:
        state = _task(run_path, executor)
        if executor == EXECUTOR:
            measure_study(Path(run_path), MEASURE_AFTER_LAST)
        return state
    except DeviceUnusableError:
        _end_process()


def measure_task(run_path: str) -> None:
    """Time the networks of the study of the run in the folder ``run_path``, on a worker."""
    try:
        measure_study(Path(run_path), MEASURE_STUDY)
    except DeviceUnusableError:
        _end_process()


def measure_study(path: Path, function: str) -> None:
    """Call ``function``, as module:name, for the run in the folder ``path``. Errors go to its log only: the study has the
    speed-ups that were measured amid it. DeviceUnusableError."""
    try:
        load_function(function)(path)
    except DeviceUnusableError:
        raise
    except Exception:
        _log_traceback(RunFolder(path))


def run_task(run_path: str, executor: str = EXECUTOR) -> str:
    """Execute the run in the folder ``run_path``, after its dense run if that is not done, and return its state; every
    failure is recorded in the folder.

    ``executor``: the function that executes a run's folder, as module:name.
    """
    while True:
        with suppress(
            DeviceUnusableError
        ):  # the run that met it has ended; the next one, if any, fails or can do without
            return _task(run_path, executor)


def _task(run_path: str, executor: str) -> str:
    folder = RunFolder(Path(run_path))
    if not folder.path.is_dir():
        return State.CANCELLED.value  # deleted while it waited
    try:
        return _run_with_dense(folder, load_function(executor)).value
    except DeviceUnusableError:
        raise
    except Exception as error:  # whatever it is: a run ends with a reason in its folder
        _log_traceback(folder)
        if isinstance(error, InputError):
            return _fail(folder, FailureCode.INVALID_INPUT, error.message).value
        text = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        return _fail(folder, FailureCode.UNEXPECTED, Message.literal(text)).value


def sensitivity_task(run_path: str, measure: str = SENSITIVITY, dense: object = None) -> None:
    """Compute the sensitivity curves of the dense run in the folder ``run_path`` for SLICE_SECONDS. If there is more to
    compute, Dask puts this task back into its queue, where runs go first.

    Errors go to that run's log only: the run itself is done. ``measure``: the function that computes for some seconds
    and returns whether all is done, as module:name. ``dense``: only a dependency for Dask.
    """
    folder = RunFolder(Path(run_path))
    if folder.state() != State.DONE:
        return
    try:
        finished = _compute_slice(folder, load_function(measure))
    except Exception:  # whatever it is: the run itself is done, and its page can do without the curves
        _log_traceback(folder)
        return
    if not finished:
        from distributed import Reschedule  # noqa: PLC0415 - loaded on a worker, and slow elsewhere

        raise Reschedule


def _compute_slice(folder: RunFolder, compute: Callable[[Path, float], bool]) -> bool:
    """Whether all curves are there now; InputError after MAX_LOST_SLICES slices whose process was killed."""
    begun = folder.path / "sensitivity.slices"  # one byte for each slice that began and did not end
    lost = begun.stat().st_size if begun.exists() else 0
    try:
        if lost >= MAX_LOST_SLICES:
            raise InputError("The process that computed sensitivity curves was killed {n} times.", n=lost)
        with begun.open("ab") as file:
            file.write(b".")
        return compute(folder.path, SLICE_SECONDS)
    except DeviceUnusableError:
        _log_traceback(folder)
        _end_process()  # the slice counts as lost
    finally:
        begun.unlink(missing_ok=True)


def _run_with_dense(folder: RunFolder, execute: Executor) -> State:
    if not folder.spec.is_dense:
        state = folder.state()
        if state not in UNFINISHED:  # never read twice: a run that is queued again at this moment has a task of its own
            return state
        dense = RunFolder(folder.path.with_name(folder.spec.dense.run_id))
        state = _run_to_end(dense, execute)
        if state == State.FAILED and folder.state() in UNFINISHED:
            failure = dense.describe()[1]
            message = Message(
                "Its dense run {run} failed: {reason}. Retry runs both.",
                run=dense.run_id,
                reason=failure.message if failure else Message("no reason was recorded"),
            )
            return _fail(folder, FailureCode.DENSE_FAILED, message)
        if state == State.CANCELLED:
            folder.request_cancel()
    return _run_to_end(folder, execute)


def _run_to_end(folder: RunFolder, execute: Executor) -> State:
    """The state in which the run ended. While another process executes it, wait: that one may be killed."""
    while True:
        state = folder.state()
        if state in (State.QUEUED, State.INTERRUPTED):
            if _starts_without_progress(folder) >= MAX_STARTS_WITHOUT_PROGRESS:
                message = Message(
                    "The process that executed it was killed {n} times before an epoch was over, perhaps for want of "
                    "memory.",
                    n=MAX_STARTS_WITHOUT_PROGRESS,
                )
                return _fail(folder, FailureCode.KILLED, message)
            with suppress(LeaseHeldError):
                execute(folder.path)
                continue
        elif state in (State.DONE, State.FAILED, State.CANCELLED):
            return state
        time.sleep(POLL_SECONDS)


def _starts_without_progress(folder: RunFolder) -> int:
    starts = 0
    for event in reversed(folder.events()):
        if event["type"] in ("epoch", "queued"):
            break
        starts += event["type"] == "started"
    return starts


def _end_process() -> NoReturn:
    """At once: whatever would be tidied up could wait for the GPU."""
    os._exit(1)


def _fail(folder: RunFolder, code: FailureCode, message: Message) -> State:
    folder.append("failed", **RunFailure(code, message).to_json())
    return State.FAILED


def _log_traceback(folder: RunFolder) -> None:
    """Append the traceback of the error that is being handled to the run's log, if the folder is still there."""
    with suppress(OSError), folder.log_path.open("a") as log:
        log.write(traceback.format_exc())
