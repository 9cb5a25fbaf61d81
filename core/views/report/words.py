"""What a language has to bring along for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """``text``: every sentence by its name, with ``{fields}`` for what is computed. ``headings``: of the efficiency table,
    by the English ones. ``methods``: a summary of each method of the registry."""

    text: Mapping[str, str]
    headings: Mapping[str, str]
    methods: Mapping[str, str]
