"""What all pages share: where the runs are, readers that all sessions use together, and the queue."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import streamlit as st

from core.jobs.queue import Queue
from core.results.frame import Results
from core.runs.estimate import Throughput, read_throughputs
from core.runs.folder import Home
from core.runs.status import Statuses
from ui.shared.errors import USER_ERRORS, describe, show_error

RECONCILE_SECONDS = 15.0


def home() -> Home:
    """The home that PRUNESCOPE_HOME names, else the repository."""
    return Home.default()


def results(place: Home | None = None) -> Results:
    """The results under ``place``, else the home, shared by all sessions so that each file is read once."""
    return _results((place or home()).path)


def statuses(place: Home | None = None) -> Statuses:
    """The state of each run under ``place``, else the home, shared in the same way."""
    return _statuses((place or home()).path)


def throughputs() -> list[Throughput]:
    """What runs took under the home; read anew every ten seconds, not at every click."""
    return _throughputs(home().path)


def queue() -> Queue:
    return Queue(home())


def reconcile_in_background() -> None:
    """Submit waiting runs again, should the cluster have lost them, without making the page wait for that.

    Shows the error of the last attempt, if any.
    """
    error = _reconciler(home().path).poll()
    if error:
        show_error(describe(error), icon=":material/cloud_off:")


class BackgroundReconciler:
    """Reconciles every few seconds at most, in one thread of its own, whichever session asks."""

    def __init__(self, path: Path) -> None:
        self._queue = Queue(Home(path))
        self._lock = threading.Lock()
        self._busy = False
        self._next = 0.0
        self._error: Exception | None = None

    def poll(self) -> Exception | None:
        """The error of the last attempt, one of USER_ERRORS, if any; begins another attempt if it is time."""
        with self._lock:
            if not self._busy and time.monotonic() >= self._next:
                self._busy = True
                threading.Thread(target=self._reconcile, name="reconcile", daemon=True).start()
        return self._error

    def _reconcile(self) -> None:
        try:
            self._queue.reconcile()
            self._error = None
        except USER_ERRORS as error:
            self._error = error.with_traceback(None)  # which would keep every local variable alive
        finally:
            self._next = time.monotonic() + RECONCILE_SECONDS
            self._busy = False


@st.cache_resource(show_spinner=False)
def _results(path: Path) -> Results:
    return Results(Home(path))


@st.cache_resource(show_spinner=False)
def _statuses(path: Path) -> Statuses:
    return Statuses(Home(path))


@st.cache_data(ttl=10, show_spinner=False)
def _throughputs(path: Path) -> list[Throughput]:
    return read_throughputs(Home(path))


@st.cache_resource(show_spinner=False)
def _reconciler(path: Path) -> BackgroundReconciler:
    return BackgroundReconciler(path)
