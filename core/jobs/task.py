"""What a worker does: bring one run to its end, its dense run before it if that is still needed."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.i18n import Message
from core.runs.failure import FailureCode, RunFailure
from core.runs.folder import UNFINISHED, RunFolder, State
from core.runs.lease import LeaseHeldError
from core.spec.errors import InputError
from core.spec.method import load_function

EXECUTOR = "core.engine.execute:execute"
CURVES = "core.engine.sensitivity:measure_sensitivity"
POLL_SECONDS = 1.0
SLICE_SECONDS = 20.0  # what a run may have to wait while sensitivity curves are computed
MAX_LOST_SLICES = 3
# A run that takes its process down again and again, as for want of memory, must end somewhere.
MAX_STARTS_WITHOUT_PROGRESS = 5

Executor = Callable[[Path], Any]


def run_task(run_path: str, executor: str = EXECUTOR, dense: object = None) -> str:
    """Bring the run in the folder ``run_path`` to its end and return its state; every failure is noted in the folder.

    ``executor``: the function that executes a run's folder, as module:name. ``dense`` is only there for Dask to wait
    for: what became of the dense run stands in that run's folder.
    """
    folder = RunFolder(Path(run_path))
    if not folder.path.is_dir():
        return State.CANCELLED.value  # deleted while it waited
    try:
        return _complete(folder, load_function(executor)).value
    except Exception as error:
        _log(folder)
        if isinstance(error, InputError):
            return _fail(folder, FailureCode.INVALID_INPUT, error.message).value
        text = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        return _fail(folder, FailureCode.UNEXPECTED, Message.literal(text)).value


def curves_task(run_path: str, curves: str = CURVES, dense: object = None) -> None:
    """Compute the sensitivity curves of the dense run in the folder ``run_path``, for a short time at once: then Dask puts
    this task back into its queue, and a run that has come meanwhile goes first.

    What goes wrong is noted in that run's log and nowhere else: the run itself is done. ``curves``: the function that goes
    on with a folder for some seconds and says whether all is done, as module:name; ``dense`` is for Dask to wait for.
    """
    folder = RunFolder(Path(run_path))
    if folder.state() != State.DONE:
        return
    try:
        finished = _slice(folder, load_function(curves))
    except Exception:
        _log(folder)
        return
    if not finished:
        from distributed import Reschedule  # noqa: PLC0415 - loaded on a worker, and slow elsewhere

        raise Reschedule


def _slice(folder: RunFolder, compute: Callable[[Path, float], bool]) -> bool:
    """What ``compute`` says; InputError if it has taken its process down again and again, which must end somewhere."""
    begun = folder.path / "sensitivity.slices"  # a byte for each slice that was begun and never ended
    lost = begun.stat().st_size if begun.exists() else 0
    try:
        if lost >= MAX_LOST_SLICES:
            raise InputError("The process that computed sensitivity curves was killed {n} times.", n=lost)
        with begun.open("ab") as file:
            file.write(b".")
        return compute(folder.path, SLICE_SECONDS)
    finally:
        begun.unlink(missing_ok=True)


def _complete(folder: RunFolder, execute: Executor) -> State:
    if not folder.spec.is_dense and folder.state() in UNFINISHED:
        dense = RunFolder(folder.path.with_name(folder.spec.dense.run_id))
        state = _execute_unless_ended(dense, execute)
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
    return _execute_unless_ended(folder, execute)


def _execute_unless_ended(folder: RunFolder, execute: Executor) -> State:
    """The state in which the run ended. While another process has it, wait: it may be killed, and then it is our turn."""
    while True:
        state = folder.state()
        if state in (State.QUEUED, State.INTERRUPTED):
            if _starts_without_progress(folder) >= MAX_STARTS_WITHOUT_PROGRESS:
                message = Message(
                    "The process that executed it was killed {n} times before an epoch was over, "
                    "perhaps for want of memory.",
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


def _fail(folder: RunFolder, code: FailureCode, message: Message) -> State:
    folder.append("failed", **RunFailure(code, message).to_json())
    return State.FAILED


def _log(folder: RunFolder) -> None:
    """Keep the details of the error that is being handled, if the folder is still there and takes them."""
    with suppress(OSError), folder.log_path.open("a") as log:
        log.write(traceback.format_exc())
