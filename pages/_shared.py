"""What all pages share: where the runs are, readers that all sessions use together, and the queue."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from core.jobs.queue import Queue
from core.study.checks import InputError
from core.study.record import Home
from core.study.results import Results
from core.study.status import Statuses

_REPOSITORY = Path(__file__).resolve().parent.parent
_LOOK_AGAIN_SECONDS = 15.0


FRAMED = "framed"  # set by app.py in the session of each browser


def navigation() -> StreamlitPage:
    """The pages of the app and the menu for them; the page that was asked for."""
    return st.navigation(
        [
            st.Page("pages/compare.py", title="Compare", icon=":material/stacked_line_chart:", default=True),
            st.Page("pages/launch.py", title="Launch", icon=":material/rocket_launch:"),
            st.Page("pages/runs.py", title="Runs", icon=":material/checklist:"),
        ],
        position="top",
    )


def show(page: Callable[[], None]) -> None:
    """Draw ``page`` inside the frame of app.py; what is wrong with the input is a sentence on the page.

    The very first request to a server may come for a page itself: Streamlit takes the folder ``pages/`` for the list of
    pages until app.py has run once, and draws that page without its frame. The second time it does it right.
    """
    if FRAMED not in st.session_state:
        navigation()  # from here on Streamlit leaves it to app.py
        st.rerun()
    try:
        page()
    except InputError as error:
        st.error(str(error), icon=":material/error:")


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
