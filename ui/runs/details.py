"""What there is to see of the runs that are selected: the model, what sets two apart, journal and log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from core.charts.live import distinct_labels
from core.i18n import t
from core.jobs.system_load import SystemLoad, measure_load
from core.report.markdown import escape_markdown
from core.runs.atomic_io import MAX_TIME, read_regular_file
from core.runs.events import event_message
from core.runs.folder import RunFolder
from core.runs.status import RunStatus
from core.spec.errors import os_reason
from ui.runs.rows import differences
from ui.shared.services import home

MAX_LINES = 100


def show_details(selected: Sequence[RunStatus]) -> None:
    """Of one run its journal and log, of two runs what sets them apart."""
    if len(selected) == 1:
        show_log(home().run(selected[0].run_id))
    elif len(selected) == 2:
        show_differences(*selected)


def show_log(folder: RunFolder) -> None:
    with st.expander(t("Journal and log"), icon=":material/receipt_long:"):
        journal = [journal_line(event) for event in folder.events()[-MAX_LINES:]]
        st.caption(t("Journal, the newest {n} entries at most; times are UTC", n=MAX_LINES))
        st.code("\n".join(journal) or "—", language=None, height=240 if len(journal) > 9 else "content")
        try:
            log = read_regular_file(folder.log_path).decode(errors="replace").splitlines()
        except FileNotFoundError:
            st.caption(t("There is no log.txt: nothing went wrong in this run."))
            return
        except OSError as error:
            st.caption(t("log.txt cannot be read ({reason}).", reason=os_reason(error).localized()))
            return
        st.caption(t("log.txt, the last {n} lines at most", n=MAX_LINES))
        st.code("\n".join(log[-MAX_LINES:]) or "—", language=None, height=240 if len(log) > 9 else "content")


def journal_line(event: Mapping[str, object]) -> str:
    when = event.get("t")
    known = isinstance(when, int | float) and 0 < when < MAX_TIME
    time = f"{datetime.fromtimestamp(float(str(when)), UTC):%Y-%m-%d %H:%M:%S}" if known else " " * 19
    return f"{time}  {event_message(event).localized()}"


def show_differences(first: RunStatus, second: RunStatus) -> None:
    if first.spec is None or second.spec is None:
        return
    with st.expander(t("What sets these two runs apart"), icon=":material/difference:", expanded=True):
        names = [escape_markdown(name) for name in distinct_labels((first.spec, second.spec)).values()]
        frame = pd.DataFrame(differences(first.spec, second.spec), columns=["field", "first", "second"])
        st.dataframe(
            frame, hide_index=True, column_config={"field": t("Setting"), "first": names[0], "second": names[1]}
        )


def show_load() -> None:
    """How busy the machine that shows this page is."""
    load = _load()
    parts = [
        t("CPU {percent:.0f} % of {cores} cores", percent=load.cpu_percent, cores=load.cores),
        t("memory {used:.1f} of {total:.1f} GB", used=load.used, total=load.total),
    ]
    parts += [
        t(
            "{gpu} {percent:.0f} %, {used:.1f} of {total:.1f} GB",
            gpu=escape_markdown(gpu.name),
            percent=gpu.percent,
            used=gpu.used,
            total=gpu.total,
        )
        for gpu in load.gpus
    ]
    st.caption(":material/memory: " + " · ".join(parts))


@st.cache_data(ttl=1.5, show_spinner=False)
def _load() -> SystemLoad:
    """Shared by all sessions: what they ask about is the same machine."""
    return measure_load()
