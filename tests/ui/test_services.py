"""What the pages share: runs are kept going by one thread at a time, and its problems are sentences."""

import threading

import pytest

from core.jobs.queue import Queue
from core.spec.errors import InputError
from ui.shared import services as _shared


@pytest.fixture
def keeper(tmp_path, monkeypatch):
    monkeypatch.setattr(_shared, "_LOOK_AGAIN_SECONDS", 0.0)
    return _shared.BackgroundReconciler(tmp_path)


def look_and_wait(keeper):
    """The problem that is known once the attempt that this look began is over."""
    keeper.look()
    for thread in threading.enumerate():
        if thread.name == "reconcile":
            thread.join(10)
    return keeper._problem and _shared.describe(keeper._problem)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InputError("No scheduler answers."), "No scheduler answers."),
        (PermissionError(13, "Permission denied", "/runs/x"), "/runs/x cannot be used (Permission denied)."),
        (TimeoutError(), "That did not work (TimeoutError)."),
    ],
)
def test_a_problem_is_a_sentence_until_an_attempt_succeeds(keeper, monkeypatch, error, says):
    def fail(self):
        raise error

    monkeypatch.setattr(Queue, "reconcile", fail)
    assert look_and_wait(keeper) == says
    monkeypatch.setattr(Queue, "reconcile", lambda self: 0)
    assert look_and_wait(keeper) is None


def test_an_attempt_that_takes_long_is_not_joined_by_another(keeper, monkeypatch):
    begun, go_on = [], threading.Event()

    def reconcile(self):
        begun.append(threading.current_thread())
        go_on.wait(10)

    monkeypatch.setattr(Queue, "reconcile", reconcile)
    for _ in range(3):
        keeper.look()
    go_on.set()
    for thread in begun:
        thread.join(10)
    assert len(begun) == 1
    look_and_wait(keeper)
    assert len(begun) == 2
