"""What all pages share: where the runs are, readers that all sessions use together, and the queue."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import streamlit as st

from core.jobs.queue import Queue
from core.study.checks import InputError
from core.study.record import Home
from core.study.results import Results
from core.study.status import Statuses

_REPOSITORY = Path(__file__).resolve().parent.parent
_LOOK_AGAIN_SECONDS = 15.0


def home() -> Home:
    """The home that PRUNESCOPE_HOME names, else the repository."""
    return Home(Path(os.environ.get("PRUNESCOPE_HOME") or _REPOSITORY).expanduser().resolve())


def results() -> Results:
    """The results under the home, shared by all sessions so that each file is read once."""
    return _results(home().path)


def statuses() -> Statuses:
    """How each run under the home stands, shared in the same way."""
    return _statuses(home().path)


def queue() -> Queue:
    return Queue(home())


def keep_runs_going() -> str:
    """Hand runs that wait to the cluster, should it have lost them, without making the page wait for that.

    The problem that the last attempt met, as a sentence, or nothing.
    """
    return _keeper(home().path).look()


class _Keeper:
    """Reconciles at most every few seconds, in a thread of its own, whichever session asks."""

    def __init__(self, path: Path) -> None:
        self._queue = Queue(Home(path))
        self._lock = threading.Lock()
        self._next = 0.0
        self._problem = ""

    def look(self) -> str:
        with self._lock:
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + _LOOK_AGAIN_SECONDS
                threading.Thread(target=self._reconcile, name="reconcile", daemon=True).start()
        return self._problem

    def _reconcile(self) -> None:
        try:
            self._queue.reconcile()
            self._problem = ""
        except InputError as error:
            self._problem = str(error)


@st.cache_resource(show_spinner=False)
def _results(path: Path) -> Results:
    return Results(Home(path))


@st.cache_resource(show_spinner=False)
def _statuses(path: Path) -> Statuses:
    return Statuses(Home(path))


@st.cache_resource(show_spinner=False)
def _keeper(path: Path) -> _Keeper:
    return _Keeper(path)
