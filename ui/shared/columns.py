"""Columns that several tables have."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import streamlit as st

from core.i18n import t

_WIDEST = 200  # pixels: it never scrolls away, and in a narrow window others have to fit beside it


def method_column(names: Collection[str]) -> Any:
    """The column of the methods' ``names``, at the left end whatever is scrolled, as wide as the longest within bounds."""
    longest = max((sum(1 + (letter > "\u1100") for letter in name) for name in names), default=0)  # Korean counts twice
    return st.column_config.TextColumn(t("Method"), pinned=True, width=min(24 + 6 * longest, _WIDEST))
