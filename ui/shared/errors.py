"""Errors that a page shows as a sentence: input that is not accepted, and files that cannot be read or written."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

from core.i18n import t
from core.report.markdown import escape_markdown
from core.spec.errors import InputError, os_reason

USER_ERRORS = (InputError, OSError)

_P = ParamSpec("_P")


def show_errors(body: Callable[_P, None]) -> Callable[_P, None]:
    """``body``, of a page or of a fragment, that shows USER_ERRORS where they end it."""

    @functools.wraps(body)
    def draw(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            body(*args, **kwargs)
        except USER_ERRORS as error:
            show_error(describe(error))

    return draw


def show_error(text: str, icon: str = ":material/error:") -> None:
    """Show ``text`` letter by letter: it may hold a path, or anything else that somebody has typed."""
    st.error(escape_markdown(text), icon=icon)


def describe(error: Exception) -> str:
    """One of USER_ERRORS as a sentence."""
    if not isinstance(error, OSError):
        return error.message.localized() if isinstance(error, InputError) else str(error)
    reason = os_reason(error).localized()
    if error.filename:
        return t("{file} cannot be used ({reason}).", file=error.filename, reason=reason)
    return t("That did not work ({reason}).", reason=reason)
