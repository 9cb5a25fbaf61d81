"""What is chosen, in the address of the page: read, checked and written here and nowhere else.

The address says what is in view, so that a reload, a copied link and the browser's way back all bring it back. Streamlit
empties it at each switch of pages; what it said is kept for the browser session, and written again on the way back.

    chosen = read_choice("study", list(labels), default)       # link, else the last choice, else the default
    st.selectbox("Study", list(labels), key="study")           # a widget with the parameter's name as its key shows it
    write(study=st.session_state["study"])                     # or write_if_chosen, where the default goes without saying

A slider is better bound by ``key=name, bind="query-params"``: its steps then leave no trail in the browser's history.
``check_number`` before it says what the widget is about to pass over; ``read_...`` and ``write`` are not for bound names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from core.i18n import t
from core.report.markdown import escape_markdown
from core.spec.errors import InputError
from ui.shared.i18n import LANGUAGE
from ui.shared.url_values import Texts, parse_choice, parse_choices, parse_flag, parse_number, to_texts

_SHOWN = 40  # letters of a value that a page repeats
_ON_ITS_WAY_SECONDS = 2.0
# In the session state.
_MEMORY, _PAGE, _DRAWN_AGAIN = "address", "page in view", "page in view is drawn again"
# What a page says in its address by itself if it was chosen before. A link says it at once: a second entry in the browser's
# history would lead back to the first, which makes the second again.
_SAID_ANYWAY = {"model": ("section",)}
# A link to these says also what the page says that is left, for the way back. Streamlit puts the query of a link into the
# address of the page that is left before it switches, and to that address the browser's way back leads first.
_REACHED_FROM_A_CHOICE = ("model",)
_WAS = "was."  # before the name of a bound widget: what it shows if the address does not say otherwise

T = TypeVar("T")


@dataclass(frozen=True)
class _Known:
    """What the address last said about a name; and what it said before that, which a request that was already on its way
    may repeat until the time ``until``."""

    texts: Texts
    before: Texts = ()
    until: float = 0.0


@contextmanager
def whole_page(page: str) -> Iterator[None]:
    """While all of ``page`` is drawn, and not a fragment of it alone."""
    st.session_state[_DRAWN_AGAIN] = st.session_state.get(_PAGE) == page
    st.session_state[_PAGE] = page
    try:
        yield
    finally:
        st.session_state[_DRAWN_AGAIN] = False


def read_choice(name: str, accepted: Collection[str], default: str) -> str:
    """One of ``accepted``."""
    return _read(name, lambda texts: parse_choice(texts, accepted), lambda value: value in accepted, default)


def read_choices(name: str, accepted: Collection[str], default: Iterable[str] = ()) -> list[str]:
    """Some of ``accepted``, or none of them. Of a link that names others too, those that are accepted count."""

    def parse(texts: Texts) -> list[str]:
        return parse_choices(tuple(dict.fromkeys(text for text in texts if text in accepted)) or texts, accepted)

    def holds(value: Any) -> bool:
        return isinstance(value, list) and all(one in accepted for one in value)

    asked = _asked(name, _memory().get(name))
    strangers = [text for text in asked if text and text not in accepted]
    if strangers and any(text in accepted for text in asked):
        _pass_over(name, strangers[0])
    return _read(name, parse, holds, list(default))


def read_flag(name: str, default: bool) -> bool:
    return _read(name, parse_flag, lambda value: isinstance(value, bool), default)


def read_number(name: str, low: float, high: float, default: float) -> float:
    """A finite number from ``low`` to ``high``."""

    def holds(value: Any) -> bool:
        return isinstance(value, int | float) and low <= value <= high

    return _read(name, lambda texts: parse_number(texts, low, high), holds, default)


def check_number(name: str, low: float, high: float) -> None:
    """One line on a number that a bound widget is about to pass over."""
    _check(name, lambda texts: parse_number(texts, low, high))


def default_number(name: str, low: float, high: float, default: float) -> float:
    """What a bound widget is to show where the address does not say: on the way back from a link what it showed, else
    ``default``."""
    return _was(name, lambda texts: parse_number(texts, low, high), default)


def write(**values: str | float | bool | Sequence[str] | None) -> None:
    """Say in the address what is in view; None takes a name out of it. Nothing is sent if it says so already."""
    memory, changed = _memory(), {}
    for name, value in values.items():
        said = tuple(st.query_params.get_all(name))
        if value is None:
            memory.pop(name, None)
            st.session_state.pop(name, None)
            if said:
                del st.query_params[name]
            continue
        if name not in st.session_state or st.session_state[name] != value:  # no widget that was drawn holds it
            st.session_state[name] = value
        texts = to_texts(value)
        if said != texts:
            changed[name] = list(texts)
            memory[name] = _Known(texts, said, time.monotonic() + _ON_ITS_WAY_SECONDS)
        elif name not in memory:
            memory[name] = _Known(texts)
    if changed:
        st.query_params.update(changed)


def write_if_chosen(**values: tuple[Any, Any]) -> None:
    """The same for pairs of what is in view and what is usual, which goes without saying: a visit that chooses nothing keeps
    its short address, and adds nothing to the browser's history."""
    memory = _memory()
    write(
        **{
            name: value
            for name, (value, usual) in values.items()
            if value != usual or name in memory or name in st.query_params
        }
    )


def link(
    page: str,
    label: str,
    *,
    icon: str = ":material/arrow_forward:",
    after: bool = False,
    bound: Mapping[str, Any] | None = None,
    **values: Any,
) -> None:
    """A link to ``page``, a file under pages/ such as "runs", that chooses ``values`` there. ``bound`` are the bound
    widgets of the page that has the link, with their usual values."""
    st.page_link(
        f"pages/{page}.py",
        label=label,
        icon=icon,
        icon_position="right" if after else "left",
        query_params=_query(page, bound or {}, values),
    )


def go(page: str, *, bound: Mapping[str, Any] | None = None, **values: Any) -> None:
    """Switch to ``page``, a file under pages/, with ``values`` chosen there, as :func:`link` does."""
    st.switch_page(f"pages/{page}.py", query_params=_query(page, bound or {}, values))


def _read(name: str, parse: Callable[[Texts], T], holds: Callable[[Any], bool], default: T) -> T:
    """What a new address asks for, else what the widget of that name holds, else what was chosen last, else ``default``.

    The widget gets it, and so must be drawn after this.
    """
    known = _memory().get(name)
    held: Any = st.session_state.get(name)
    value: T = held if holds(held) else _parse_quietly(known, parse, default)
    if known is not None and _went_back(name, known):
        value = default
        del _memory()[name]
    asked = _asked(name, known)
    if asked:
        try:
            value = parse(asked)
            _memory()[name] = _Known(asked)
        except InputError as error:
            _pass_over(name, str(error))
    st.session_state[name] = value  # always: what a widget of another page left under this name is gone after this run
    return value


def _was(name: str, parse: Callable[[Texts], T], default: T) -> T:
    said = tuple(st.query_params.get_all(_WAS + name))
    try:
        return parse(said) if said else default
    except InputError:  # it is said by links of the app alone
        return default


def _went_back(name: str, known: _Known) -> bool:
    """Whether the address was about ``name`` and no longer is, on the same page: the browser's way back to before it was
    chosen."""
    recent = time.monotonic() < known.until
    return bool(st.session_state.get(_DRAWN_AGAIN) and known.texts and name not in st.query_params and not recent)


def _asked(name: str, known: _Known | None) -> Texts:
    """What the address says about ``name`` that this session has not taken in yet: a link, or the browser's way back."""
    said = tuple(st.query_params.get_all(name))
    if known is not None and (said == known.texts or (said == known.before and time.monotonic() < known.until)):
        return ()
    return said


def _parse_quietly(known: _Known | None, parse: Callable[[Texts], T], default: T) -> T:
    try:
        return parse(known.texts) if known else default
    except InputError:  # it was there when it was chosen
        return default


def _check(name: str, parse: Callable[[Texts], Any]) -> None:
    said = tuple(st.query_params.get_all(name))
    try:
        if said:
            parse(said)
    except InputError as error:
        _pass_over(name, str(error))


def _pass_over(name: str, text: str) -> None:
    shown = "".join(char if char.isprintable() else "?" for char in text)
    shown = escape_markdown(shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…")
    sentence = t("The link says {name} = “{text}”, which there is not here; it was passed over.", name=name, text=shown)
    st.info(sentence, icon=":material/link_off:")


def _query(page: str, bound: Mapping[str, Any], values: dict[str, Any]) -> dict[str, str | list[str]]:
    query: dict[str, str | list[str]] = {name: list(to_texts(value)) for name, value in values.items()}
    if page in _REACHED_FROM_A_CHOICE:
        query = _said_here(bound) | query
    for name in (LANGUAGE, *_SAID_ANYWAY.get(page, ())):
        known = _memory().get(name)
        if known is not None:
            query.setdefault(name, list(known.texts))
    return query


def _said_here(bound: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """What the page that is being drawn says in its address. Streamlit takes the names of its ``bound`` widgets out of links
    to other pages, so that their values, if not the usual ones, go under another name."""
    ours = {*bound, *(_WAS + name for name in bound)}
    said: dict[str, str | list[str]] = {
        name: st.query_params.get_all(name) for name in st.query_params if name not in ours
    }
    held = {name: st.session_state.get(name, usual) for name, usual in bound.items()}
    return said | {_WAS + name: list(to_texts(value)) for name, value in held.items() if value != bound[name]}


def _memory() -> dict[str, _Known]:
    memory: dict[str, _Known] = st.session_state.setdefault(_MEMORY, {})
    return memory
