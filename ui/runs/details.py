"""What there is to see of the runs that are selected: the model, what sets two apart, journal and log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from core.charts.live import distinct_labels
from core.i18n import t
from core.jobs.system_load import Load, machine_load
from core.report.markdown import escape_markdown
from core.runs.atomic_io import MAX_TIME, read_regular_file
from core.runs.events import describe_event
from core.runs.folder import RunFolder
from core.runs.status import RunStatus
from core.spec.errors import os_reason
from ui.runs.rows import differences
from ui.shared.services import home

LINES = 100


def show_details(chosen: Sequence[RunStatus]) -> None:
    """Of one run its journal and log, of two runs what sets them apart."""
    if len(chosen) == 1:
        show_log(home().run(chosen[0].run_id))
    elif len(chosen) == 2:
        show_differences(*chosen)


def show_log(folder: RunFolder) -> None:
    with st.expander(t("Journal and log"), icon=":material/receipt_long:"):
        journal = [line for event in folder.events()[-LINES:] if (line := journal_line(event))]
        st.caption(t("Journal, the newest {n} entries at most; times are UTC", n=LINES))
        st.code("\n".join(journal) or "—", language=None, height=240 if len(journal) > 9 else "content")
        try:
            log = read_regular_file(folder.log_path).decode(errors="replace").splitlines()
        except FileNotFoundError:
            st.caption(t("There is no log.txt: nothing went wrong in this run."))
            return
        except OSError as error:
            st.caption(t("log.txt cannot be read ({reason}).", reason=os_reason(error).localized()))
            return
        st.caption(t("log.txt, the last {n} lines at most", n=LINES))
        st.code("\n".join(log[-LINES:]) or "—", language=None, height=240 if len(log) > 9 else "content")


def journal_line(event: dict[str, object]) -> str:
    told, when = describe_event(event), event.get("t")
    known = isinstance(when, int | float) and 0 < when < MAX_TIME
    time = f"{datetime.fromtimestamp(float(str(when)), UTC):%Y-%m-%d %H:%M:%S}" if known else " " * 19
    return f"{time}  {told}" if told else ""


def show_differences(one: RunStatus, other: RunStatus) -> None:
    if one.spec is None or other.spec is None:
        return
    with st.expander(t("What sets these two runs apart"), icon=":material/difference:", expanded=True):
        found = differences(one.spec, other.spec)
        names = [escape_markdown(name) for name in distinct_labels((one.spec, other.spec)).values()]
        frame = pd.DataFrame(found, columns=["field", "one", "other"])
        st.dataframe(frame, hide_index=True, column_config={"field": t("Setting"), "one": names[0], "other": names[1]})


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
def _load() -> Load:
    """Shared by all sessions: what they ask about is the same machine."""
    return machine_load()
