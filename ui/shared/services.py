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

from core.i18n import t
from core.jobs.queue import Queue
from core.report.markdown import escape_markdown
from core.results.frame import Results
from core.runs.estimate import Throughput, read_throughputs
from core.runs.folder import Home
from core.runs.status import Statuses
from core.spec.errors import InputError, os_reason
from ui.shared.url import whole_page

_REPOSITORY = Path(__file__).resolve().parents[2]
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
        show_errors(page)()


def show_errors(body: Callable[_P, None]) -> Callable[_P, None]:
    """``body``, of a page or of a fragment, so that what is wrong with its input is a sentence where it would be drawn."""

    @functools.wraps(body)
    def draw(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            body(*args, **kwargs)
        except USER_ERRORS as error:
            show_error(describe(error))

    return draw


# What a page says in a sentence: input that is not accepted, and files that cannot be read or written.
USER_ERRORS = (InputError, OSError)


def describe(error: Exception) -> str:
    """One of USER_ERRORS as a sentence."""
    if not isinstance(error, OSError):
        return error.message.localized() if isinstance(error, InputError) else str(error)
    reason = os_reason(error).localized()
    if error.filename:
        return t("{file} cannot be used ({reason}).", file=error.filename, reason=reason)
    return t("That did not work ({reason}).", reason=reason)


def show_error(problem: str, icon: str = ":material/error:") -> None:
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


def paces() -> list[Throughput]:
    """What runs took under the home; read anew every ten seconds, not at every click."""
    return _paces(home().path)


def queue() -> Queue:
    return Queue(home())


def reconcile_in_background() -> None:
    """Hand runs that wait to the cluster, should it have lost them, without making the page wait for that.

    Shows the problem that the last attempt met, if any.
    """
    problem = _keeper(home().path).look()
    if problem:
        show_error(describe(problem), icon=":material/cloud_off:")


class BackgroundReconciler:
    """Reconciles every few seconds at most, in one thread of its own, whichever session asks."""

    def __init__(self, path: Path) -> None:
        self._queue = Queue(Home(path))
        self._lock = threading.Lock()
        self._busy = False
        self._next = 0.0
        self._problem: Exception | None = None

    def look(self) -> Exception | None:
        """The problem that the last attempt met, one of USER_ERRORS, or nothing; begins another if it is time."""
        with self._lock:
            if not self._busy and time.monotonic() >= self._next:
                self._busy = True
                threading.Thread(target=self._reconcile, name="reconcile", daemon=True).start()
        return self._problem

    def _reconcile(self) -> None:
        try:
            self._queue.reconcile()
            self._problem = None
        except USER_ERRORS as error:
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
def _paces(path: Path) -> list[Throughput]:
    return read_throughputs(Home(path))


@st.cache_resource(show_spinner=False)
def _keeper(path: Path) -> BackgroundReconciler:
    return BackgroundReconciler(path)
