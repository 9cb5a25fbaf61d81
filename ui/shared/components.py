"""What several pages consist of: the first row with title and language, controls that are in the address, the empty state,
and the column of methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import LANGUAGES, current_language, t
from ui.shared.i18n import LANGUAGE, browser_language
from ui.shared.url import link, read_choice, read_choices, read_flag, write, write_if_chosen

MIME = {
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "tex": "application/x-tex",
    "zip": "application/zip",
}
MAX_METHOD_WIDTH = 200  # pixels: it never scrolls away, and in a narrow window others have to fit beside it


def page_head(title: str) -> DeltaGenerator:
    """The title of a page and the language picker, in one row; the place between them, for what the page is about."""
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom")
    row.title(title, anchor=False, width="content")
    right = row.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", width="content")
    subject = right.container(width="content")
    select_language(right)
    return subject


def select_language(place: DeltaGenerator) -> None:
    """A small picker; the browser's own language until somebody uses it or a link names another."""
    # app.py read it before the menu, which let go of the last page's widgets.
    st.session_state[LANGUAGE] = current_language()
    selected = place.segmented_control(
        "Language / 언어",
        list(LANGUAGES),
        format_func=LANGUAGES.__getitem__,
        required=True,
        key=LANGUAGE,
        label_visibility="collapsed",
        width="content",
    )
    if selected != browser_language() or LANGUAGE in st.query_params:
        write(**{LANGUAGE: selected})


def select(
    control: Callable[..., Any], label: str, name: str, labels: Mapping[str, str], default: str, **options: Any
) -> str:
    """One of the keys of ``labels``, by a ``control`` such as st.selectbox, which is in the address under ``name``."""
    read_choice(name, labels, default)
    # A select box starts with an option and cannot be emptied; required, it would only say so, in English.
    required = getattr(control, "__name__", "") != "selectbox"
    options = {"format_func": labels.__getitem__, "required": required, "key": name, **options}
    selected: str = control(label, list(labels), **options) or default
    write_if_chosen(**{name: (selected, default)})
    return selected


def pills(label: str, name: str, labels: Mapping[str, str], default: Iterable[str] = (), **options: Any) -> list[str]:
    """Some of the keys of ``labels``, by pills that are in the address under ``name``."""
    read_choices(name, labels, default)
    options = {"selection_mode": "multi", "format_func": labels.__getitem__, "key": name, **options}
    selected: list[str] = st.pills(label, list(labels), **options)
    write_if_chosen(**{name: (selected, list(default))})
    return selected


def toggle(place: DeltaGenerator, label: str, name: str, default: bool, **options: Any) -> bool:
    """A toggle that is in the address under ``name``."""
    read_flag(name, default)
    selected = place.toggle(label, key=name, **options)
    write_if_chosen(**{name: (selected, default)})
    return selected


def show_empty_state(title: str, text: str) -> None:
    """What a page is for, and the way to the first study, while there is nothing to show."""
    with st.container(border=True):
        st.markdown("#### " + title)
        st.markdown(text)
        link("launch", t("Launch the first study"), icon=":material/rocket_launch:")


def download_button(label: str, name: str, content: Callable[[], bytes | str], *, primary: bool = False) -> None:
    """A button for the file ``name``, whose ``content`` is made when it is asked for."""
    st.download_button(
        label,
        data=content,
        file_name=name,
        mime=MIME.get(name.rpartition(".")[2], "application/octet-stream"),
        key=f"download {name}",
        on_click="ignore",
        icon=":material/folder_zip:" if name.endswith(".zip") else ":material/download:",
        type="primary" if primary else "secondary",
    )


def colored(glyph: str, color: str) -> str:
    """Markdown for ``glyph`` in ``color``."""
    return f':color[{glyph}]{{foreground="{color}"}}'


def times(ratio: float | None) -> str:
    """``ratio`` with a multiplication sign, a dash if it was not measured."""
    return "—" if ratio is None or math.isnan(ratio) else f"{ratio:.2f}×"


def method_column(names: Collection[str]) -> Any:
    """The column of the methods' ``names``, at the left end whatever is scrolled, as wide as the longest within bounds."""
    longest = max((sum(1 + (letter > "\u1100") for letter in name) for name in names), default=0)  # Korean counts twice
    return st.column_config.TextColumn(t("Method"), pinned=True, width=min(24 + 6 * longest, MAX_METHOD_WIDTH))
