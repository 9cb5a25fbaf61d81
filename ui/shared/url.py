"""What is chosen, in the address of the page: read, checked and written here and nowhere else.

The address names what is in view, so that a reload, a copied link and the browser's back button restore it. Streamlit
empties it at each switch of pages; what was chosen stays in the browser session, and is written when the page opens again.

    chosen = read_choice("study", list(labels), default)       # a new address, else the last choice, else the default
    st.selectbox("Study", list(labels), key="study")           # a widget with the parameter's name as its key shows it
    write(study=st.session_state["study"])                     # or write_if_chosen, which leaves out the default

An address is new when its page is entered and after the browser's back and forward. At every other run the widgets are
right: a page that refreshes itself may ask with the address from before the last click.

Streamlit's own ``bind="query-params"`` is for sliders (``read_bound_number``), whose steps then leave no trail in the
browser's history. For the rest it will not do: it writes the labels of options, which are translated, and "true" for "1";
it does not report what it ignores; and it forgets what was chosen when the page is left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.i18n import t
from core.report.markdown import escape_markdown
from ui.shared.i18n import LANGUAGE
from ui.shared.url_values import (
    InvalidValueError,
    Texts,
    parse_choice,
    parse_choices,
    parse_flag,
    parse_list,
    parse_number,
    parse_text,
    to_texts,
)

MAX_SHOWN = 40  # characters of a value that is not accepted
# Keys of the session state.
_PARAMETERS, _BOUND, _PAGE, _VISIT, _WENT_BACK = "address", "bound", "page in view", "visit", "went back on the page"
# What a page would write by itself if it was chosen before: in the link, it makes no second entry in the browser's history.
_WRITTEN_BY_PAGE = {"model": ("section",)}
# Before the name of a bound widget: its default in place of the page's. Streamlit takes the names of bound widgets out of
# the address when a link is followed, so that the browser's back button would lead to the page's default.
_DEFAULT_PREFIX = "was."

T = TypeVar("T")


@dataclass(frozen=True)
class _Parameter:
    """What was chosen last (nothing: the default), and the visit of a page in which that was compared with the address."""

    texts: Texts
    visit: int


def enter_page(page: str) -> None:
    """Begin a run of all of ``page``, not of a fragment alone. Its address is new on another page than before, and after the
    browser's back and forward."""
    same_page = st.session_state.get(_PAGE) == page
    if not same_page or is_history_navigation():
        st.session_state[_PAGE] = page
        st.session_state[_VISIT] = _visit() + 1
        st.session_state[_WENT_BACK] = same_page


def is_history_navigation() -> bool:
    """Whether the browser's back or forward caused this run."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.is_history_navigation


def in_new_address(name: str) -> bool:
    """Whether a new address says something about ``name``: for a widget that goes by another key than its parameter."""
    return bool(_texts_in_address(name)) and _is_new(name)


def read_choice(name: str, accepted: Collection[str], default: str) -> str:
    """One of ``accepted``."""
    return _read(name, lambda texts: parse_choice(texts, accepted), lambda value: value in accepted, default)


def read_choices(name: str, accepted: Collection[str], default: Iterable[str] = ()) -> list[str]:
    """Some of ``accepted``, or none of them. Of a link that names others too, those that are accepted count."""

    def parse(texts: Texts) -> list[str]:
        return parse_choices(tuple(dict.fromkeys(text for text in texts if text in accepted)) or texts, accepted)

    def is_valid(value: Any) -> bool:
        return isinstance(value, list) and all(one in accepted for one in value)

    texts = _texts_in_address(name) if _is_new(name) else ()
    unknown = [text for text in texts if text and text not in accepted]
    if unknown and any(text in accepted for text in texts):
        show_ignored(name, unknown[0])
    return _read(name, parse, is_valid, list(default))


def read_text(name: str) -> str:
    """Any text; empty by default."""
    return _read(name, parse_text, lambda value: isinstance(value, str), "")


def read_list(name: str, default: str) -> str:
    """A list as it was typed, any text: the page that uses it says what it accepts."""
    return _read(name, parse_list, lambda value: isinstance(value, str), default)


def read_flag(name: str, default: bool) -> bool:
    return _read(name, parse_flag, lambda value: isinstance(value, bool), default)


def read_number(name: str, low: float, high: float, default: float) -> float:
    """A finite number from ``low`` to ``high``."""

    def is_valid(value: Any) -> bool:
        return isinstance(value, int | float) and low <= value <= high

    return _read(name, lambda texts: parse_number(texts, low, high), is_valid, default)


def read_bound_number(name: str, low: float, high: float, default: float) -> float:
    """The default for a widget that is bound to ``name``: ``default``, but after going back from another page what it
    showed last. One line on a number that the widget is about to ignore."""
    texts, latest = _texts_in_address(name), st.session_state.setdefault(_BOUND, {})
    try:
        if texts:
            parse_number(texts, low, high)
    except InvalidValueError as error:
        show_ignored(name, error.text)
    if name in st.session_state:
        latest[name] = st.session_state[name]
    if is_history_navigation() and not texts and not st.session_state.get(_WENT_BACK):
        write_if_chosen(**{_DEFAULT_PREFIX + name: (latest.get(name, default), default)})
    texts = _texts_in_address(_DEFAULT_PREFIX + name)
    return _parse_chosen(texts, lambda texts: parse_number(texts, low, high), default)


def write(**values: str | float | bool | Sequence[str] | None) -> None:
    """Name in the address what is in view; None takes a name out of it. Nothing is sent if it is there already."""
    changed = {}
    for name, value in values.items():
        texts = () if value is None else to_texts(value)
        _parameters()[name] = _Parameter(texts, _visit())
        if value is None:
            st.session_state.pop(name, None)
            st.query_params.pop(name, None)
            continue
        if name not in st.session_state or st.session_state[name] != value:  # no widget that was drawn holds it
            st.session_state[name] = value
        if _texts_in_address(name) != texts:
            changed[name] = list(texts)
    if changed:
        st.query_params.update(changed)


def write_if_chosen(**values: tuple[Any, Any]) -> None:
    """The same for pairs of what is in view and the default, which goes unnamed until another value was chosen: a visit that
    chooses nothing keeps its short address, and adds nothing to the browser's history."""
    chosen = {name for name, parameter in _parameters().items() if parameter.texts}
    write(
        **{
            name: value
            for name, (value, default) in values.items()
            if value != default or name in chosen or name in st.query_params
        }
    )


def link(page: str, label: str, *, icon: str = ":material/arrow_forward:", after: bool = False, **values: Any) -> None:
    """A link to ``page``, a file under pages/ such as "runs", that chooses ``values`` there."""
    st.page_link(
        f"pages/{page}.py",
        label=label,
        icon=icon,
        icon_position="right" if after else "left",
        query_params=_query(page, values),
    )


def go(page: str, **values: Any) -> None:
    """Switch to ``page``, a file under pages/, with ``values`` chosen there, as :func:`link` does."""
    st.switch_page(f"pages/{page}.py", query_params=_query(page, values))


def show_ignored(name: str, text: str) -> None:
    """One line on a ``text`` of the address that is not accepted."""
    shown = "".join(char if char.isprintable() else "?" for char in text)
    shown = escape_markdown(shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 1] + "…")
    sentence = t("The link says {name} = “{text}”, which there is not here; it was passed over.", name=name, text=shown)
    st.info(sentence, icon=":material/link_off:")


def _read(name: str, parse: Callable[[Texts], T], is_valid: Callable[[Any], bool], default: T) -> T:
    """What a new address asks for, else what the widget of that name shows, else what was chosen last, else ``default``.

    The widget gets it, and so must be drawn after this.
    """
    texts, is_new, chosen = _texts_in_address(name), _is_new(name), _chosen(name)
    current: Any = st.session_state.get(name)
    value: T = current if is_valid(current) else _parse_chosen(chosen, parse, default)
    if is_new and texts:
        try:
            value, chosen = parse(texts), texts
        except InvalidValueError as error:
            show_ignored(name, error.text)
    elif is_new and chosen and st.session_state.get(_WENT_BACK):  # to before it was chosen
        value, chosen = default, ()
    _parameters()[name] = _Parameter(chosen, _visit())
    st.session_state[name] = value  # always: what a widget of another page left under this name is gone after this run
    return value


def _parse_chosen(texts: Texts, parse: Callable[[Texts], T], default: T) -> T:
    try:
        return parse(texts) if texts else default
    except InvalidValueError:  # it was there when it was chosen
        return default


def _query(page: str, values: Mapping[str, Any]) -> dict[str, list[str]]:
    query = {name: list(to_texts(value)) for name, value in values.items()}
    for name in (LANGUAGE, *_WRITTEN_BY_PAGE.get(page, ())):
        if texts := _chosen(name):
            query.setdefault(name, list(texts))
    return query


def _texts_in_address(name: str) -> Texts:
    return tuple(st.query_params.get_all(name))


def _is_new(name: str) -> bool:
    """Whether what the address says about ``name`` was not read yet. The language is read before the page is entered."""
    parameter = _parameters().get(name)
    return parameter is None or parameter.visit != _visit() or is_history_navigation()


def _chosen(name: str) -> Texts:
    parameter = _parameters().get(name)
    return parameter.texts if parameter else ()


def _visit() -> int:
    visit: int = st.session_state.get(_VISIT, 0)
    return visit


def _parameters() -> dict[str, _Parameter]:
    parameters: dict[str, _Parameter] = st.session_state.setdefault(_PARAMETERS, {})
    return parameters
