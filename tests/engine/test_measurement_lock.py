"""While one run is timed the others on the machine stand still, and nobody waits for a process that died."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core.engine import measurement_lock
from core.engine.measurement_lock import MeasurementLock

TRAIN = """
import sys, time
from pathlib import Path
from core.engine.measurement_lock import MeasurementLock
lock = MeasurementLock(Path(sys.argv[1]))
steps = Path(sys.argv[2]).open("a", buffering=1)
with lock.training() as training:
    while True:
        lock.yield_to_measurement(training)
        time.sleep(float(sys.argv[3]))
        steps.write(f"{time.monotonic()}\\n")
"""


@pytest.mark.parametrize("step_seconds", [0.01, 0.4], ids=["short steps", "a step longer than the timing"])
def test_a_training_process_pauses_while_another_is_timed_and_goes_on(tmp_path: Path, step_seconds: float) -> None:
    steps = tmp_path / "steps"
    trainer = subprocess.Popen([sys.executable, "-c", TRAIN, str(tmp_path), str(steps), str(step_seconds)])
    try:
        _wait_for_steps(steps, 2)
        time.sleep(step_seconds / 4)  # into the middle of a step
        with MeasurementLock(tmp_path).timing():
            began = time.monotonic()
            time.sleep(0.3)
            ended = time.monotonic()
        _wait_for_steps(steps, len(_times(steps)) + 2)
    finally:
        trainer.kill()
        trainer.wait()
    assert [t for t in _times(steps) if began < t < ended] == []
    with MeasurementLock(tmp_path).timing():  # the killed process holds nothing up
        pass


def test_a_run_that_does_not_pause_is_not_waited_for_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement_lock, "MAX_WAIT_SECONDS", 0.2)
    lock = MeasurementLock(tmp_path)
    with lock.training(), lock.timing():
        pass


def test_another_gpu_need_not_pause_and_the_same_one_does(tmp_path: Path) -> None:
    with MeasurementLock(tmp_path, "GPU-1a").timing():
        for other in ("GPU-2b", ""):
            with MeasurementLock(tmp_path, other).training():
                pass
        with MeasurementLock(tmp_path, "GPU-1a")._open("timing") as same:
            assert not measurement_lock._try_lock(same, fcntl.LOCK_SH)


def test_what_was_launched_on_the_device_is_computed_before_the_lock_is_released(tmp_path: Path) -> None:
    measuring, found = threading.Event(), []

    def measure() -> None:
        with MeasurementLock(tmp_path).timing():
            measuring.set()

    lock = MeasurementLock(tmp_path, synchronize=lambda: found.append(measuring.is_set()))
    thread = threading.Thread(target=measure)
    with lock.training() as training:
        lock.yield_to_measurement(training)
        assert (found, lock.paused_seconds) == ([], 0)  # nobody measures
        thread.start()
        while not found:
            lock.yield_to_measurement(training)
    thread.join()
    assert measuring.is_set()
    assert found == [False]
    assert lock.paused_seconds > 0


def _times(steps: Path) -> list[float]:
    return [float(line) for line in steps.read_text().splitlines()] if steps.exists() else []


def _wait_for_steps(steps: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(_times(steps)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
