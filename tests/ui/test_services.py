"""What the pages share: runs are kept going by one thread at a time, and its problems are sentences."""

import threading

import pytest

from core.jobs.queue import Queue
from core.spec.errors import InputError
from ui.shared import services
from ui.shared.errors import describe


@pytest.fixture
def reconciler(tmp_path, monkeypatch):
    monkeypatch.setattr(services, "RECONCILE_SECONDS", 0.0)
    return services.BackgroundReconciler(tmp_path)


def poll_and_wait(reconciler):
    """The error, as a sentence, once the attempt that this call began is over."""
    reconciler.poll()
    for thread in threading.enumerate():
        if thread.name == "reconcile":
            thread.join(10)
    return reconciler._error and describe(reconciler._error)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InputError("No scheduler answers."), "No scheduler answers."),
        (PermissionError(13, "Permission denied", "/runs/x"), "/runs/x cannot be used (Permission denied)."),
        (TimeoutError(), "That did not work (TimeoutError)."),
    ],
)
def test_a_problem_is_a_sentence_until_an_attempt_succeeds(reconciler, monkeypatch, error, says):
    def fail(self):
        raise error

    monkeypatch.setattr(Queue, "reconcile", fail)
    assert poll_and_wait(reconciler) == says
    monkeypatch.setattr(Queue, "reconcile", lambda self: 0)
    assert poll_and_wait(reconciler) is None


def test_an_attempt_that_takes_long_is_not_joined_by_another(reconciler, monkeypatch):
    begun, go_on = [], threading.Event()

    def reconcile(self):
        begun.append(threading.current_thread())
        go_on.wait(10)

    monkeypatch.setattr(Queue, "reconcile", reconcile)
    for _ in range(3):
        reconciler.poll()
    go_on.set()
    for thread in begun:
        thread.join(10)
    assert len(begun) == 1
    poll_and_wait(reconciler)
    assert len(begun) == 2
