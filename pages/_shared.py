"""What all pages share: where the runs are, readers that all sessions use together, and the queue."""

from __future__ import annotations

import functools
import inspect
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from core.jobs.queue import Queue
from core.study.checks import InputError
from core.study.estimate import Pace, read_paces
from core.study.record import Home
from core.study.results import Results
from core.study.status import Statuses
from core.views.tables import escape_markdown
from pages._address import whole_page
from pages._language import problem_words, t

_REPOSITORY = Path(__file__).resolve().parent.parent
_LOOK_AGAIN_SECONDS = 15.0
_P = ParamSpec("_P")

FRAMED = "framed"  # set by app.py in the session of each browser


def navigation() -> StreamlitPage:
    """The pages of the app and the menu for them; the page that was asked for."""
    return st.navigation(
        [
            st.Page("pages/compare.py", title=t("Compare"), icon=":material/stacked_line_chart:", default=True),
            st.Page("pages/launch.py", title=t("Launch"), icon=":material/rocket_launch:"),
            st.Page("pages/runs.py", title=t("Runs"), icon=":material/checklist:"),
            st.Page("pages/model.py", title=t("Model"), icon=":material/deployed_code:"),
            st.Page("pages/report.py", title=t("Report"), icon=":material/article:"),
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
    with whole_page(inspect.getfile(page)):
        explained(page)()


def explained(body: Callable[_P, None]) -> Callable[_P, None]:
    """``body``, of a page or of a fragment, so that what is wrong with its input is a sentence where it would be drawn."""

    @functools.wraps(body)
    def draw(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            body(*args, **kwargs)
        except PROBLEMS as error:
            complain(describe(error))

    return draw


# What a page says in a sentence: input that is not accepted, and files that cannot be read or written.
PROBLEMS = (InputError, OSError)


def describe(error: Exception) -> str:
    """One of PROBLEMS as a sentence."""
    if not isinstance(error, OSError):
        return problem_words(str(error))
    reason = problem_words(error.strerror or type(error).__name__)
    if error.filename:
        return t("{file} cannot be used ({reason}).", file=error.filename, reason=reason)
    return t("That did not work ({reason}).", reason=reason)


def complain(problem: str, icon: str = ":material/error:") -> None:
    """Show what is wrong, letter by letter: it may hold a path, or anything else that somebody has typed."""
    st.error(escape_markdown(problem), icon=icon)


def home() -> Home:
    """The home that PRUNESCOPE_HOME names, else the repository."""
    return Home(Path(os.environ.get("PRUNESCOPE_HOME") or _REPOSITORY).expanduser().resolve())


def results() -> Results:
    """The results under the home, shared by all sessions so that each file is read once."""
    return _results(home().path)


def statuses() -> Statuses:
    """How each run under the home stands, shared in the same way."""
    return _statuses(home().path)


def paces() -> list[Pace]:
    """What runs took under the home; read anew every ten seconds, not at every click."""
    return _paces(home().path)


def queue() -> Queue:
    return Queue(home())


def keep_runs_going() -> None:
    """Hand runs that wait to the cluster, should it have lost them, without making the page wait for that.

    Shows the problem that the last attempt met, if any.
    """
    problem = _keeper(home().path).look()
    if problem:
        complain(describe(problem), icon=":material/cloud_off:")


class _Keeper:
    """Reconciles every few seconds at most, in one thread of its own, whichever session asks."""

    def __init__(self, path: Path) -> None:
        self._queue = Queue(Home(path))
        self._lock = threading.Lock()
        self._busy = False
        self._next = 0.0
        self._problem: Exception | None = None

    def look(self) -> Exception | None:
        """The problem that the last attempt met, one of PROBLEMS, or nothing; begins another if it is time."""
        with self._lock:
            if not self._busy and time.monotonic() >= self._next:
                self._busy = True
                threading.Thread(target=self._reconcile, name="reconcile", daemon=True).start()
        return self._problem

    def _reconcile(self) -> None:
        try:
            self._queue.reconcile()
            self._problem = None
        except PROBLEMS as error:
            self._problem = error.with_traceback(None)  # which would hold on to what was in work
        finally:
            self._next = time.monotonic() + _LOOK_AGAIN_SECONDS
            self._busy = False


@st.cache_resource(show_spinner=False)
def _results(path: Path) -> Results:
    return Results(Home(path))


@st.cache_resource(show_spinner=False)
def _statuses(path: Path) -> Statuses:
    return Statuses(Home(path))


@st.cache_data(ttl=10, show_spinner=False)
def _paces(path: Path) -> list[Pace]:
    return read_paces(Home(path))


@st.cache_resource(show_spinner=False)
def _keeper(path: Path) -> _Keeper:
    return _Keeper(path)
