"""An executor in the engine's place, which a test can tell what to do with a run.

hold: wait until told otherwise or cancelled; raise: an unexpected error; die once: SIGKILL, as for want of memory; lose the
GPU: fail as after an error of CUDA that stays.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from core.i18n import Message
from core.runs.failure import DeviceUnusableError, FailureCode, RunFailure
from core.runs.folder import RunFolder, State
from core.runs.lease import Lease
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.records import plausible_result

EXECUTOR = "tests.jobs.fake_executor:execute"
HOLD_SECONDS = 60.0  # a test that failed must not leave a worker that waits for ever
RECORDED = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")


def execute(path: Path) -> State:
    """What the engine promises: idempotent, under a lease, everything in the folder."""
    folder = RunFolder(path)
    with Lease(path) as lease:
        if folder.result() is not None:
            return State.DONE
        folder.append(
            "started", attempt=lease.attempt, pid=os.getpid(), **{key: os.environ.get(key) for key in RECORDED}
        )
        deadline = time.monotonic() + HOLD_SECONDS
        while _order(folder) == "hold" and not folder.cancel_requested and time.monotonic() < deadline:
            time.sleep(0.02)
        if folder.cancel_requested:
            folder.append("cancelled")
            return State.CANCELLED
        if _order(folder) == "raise":
            raise RuntimeError("the disk\nis on fire")
        if _order(folder) == "lose the GPU":
            folder.append("failed", **RunFailure(FailureCode.UNEXPECTED, Message.literal("it fell off")).to_json())
            raise DeviceUnusableError
        if _order(folder) == "die once":
            tell(folder, "")
            os.kill(os.getpid(), signal.SIGKILL)
        folder.append("epoch", epoch=1)
        lease.check()
        folder.commit(plausible_result(folder.spec))
        folder.append("done")
    return State.DONE


def tell(folder: RunFolder, order: str) -> None:
    """What is to happen to the run when it is executed."""
    path = _order_path(folder)
    path.parent.mkdir(exist_ok=True)
    aside = path.with_suffix(".tmp")
    aside.write_text(order)
    aside.replace(path)


def _order(folder: RunFolder) -> str:
    path = _order_path(folder)
    return path.read_text() if path.exists() else ""


def _order_path(folder: RunFolder) -> Path:
    return folder.path.parent.parent / "orders" / folder.run_id


def dense(seed: int) -> RunSpec:
    return RunSpec(build_recipe("demo"), "dense", seed)


def pruned(seed: int, sparsity: float = 0.5) -> RunSpec:
    return RunSpec(build_recipe("demo"), "magnitude", seed, sparsity)


def wait_until(folder: RunFolder, *states: State, seconds: float = 30) -> State:
    """The state of the run as soon as it is one of ``states``; AssertionError if it is not in time."""
    deadline = time.monotonic() + seconds
    while (state := folder.state()) not in states:
        assert time.monotonic() < deadline, (folder.run_id, state, folder.events())
        time.sleep(0.02)
    return state


def times(folder: RunFolder, kind: str) -> list[float]:
    """When the events of that kind happened, in the run's journal."""
    return [event["t"] for event in folder.events() if event["type"] == kind]
