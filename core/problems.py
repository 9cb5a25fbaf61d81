"""What went wrong, in the reader's language. The core says it in English, and so it stands in journals, logs and terminals;
here a sentence is known again by its words, and what it was filled in with goes into the translation."""

from __future__ import annotations

import functools
import re
from string import Formatter

from core.korean.problems import SENTENCES, SYSTEM

# What these fields hold are sentences, or parts of them, of the core or of the system themselves.
SENTENCE_FIELDS = frozenset({"reason", "accepted", "choice", "state", "limit", "layout", "remedy"})


def translate_problem(problem: str, language: str) -> str:
    """``problem``, as the core said it, in ``language``; as it is if it is not known, or if there is nothing to do."""
    return _korean(problem) if language == "ko" else problem


def _korean(problem: str) -> str:
    # The full stop goes and comes with the place: a reason within a sentence has none.
    words = problem.removesuffix(".")
    for pattern, translation in _translations():
        if found := pattern.fullmatch(words):
            fields = found.groupdict()
            said = {name: _korean(text) if name in SENTENCE_FIELDS else text for name, text in fields.items()}
            return translation.format(**said) + problem[len(words) :]
    return problem


@functools.cache
def _translations() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Those with more words of their own first: what fits several sentences is the one that says most."""
    known = {english.removesuffix("."): korean.removesuffix(".") for english, korean in (SYSTEM | SENTENCES).items()}
    return tuple((_pattern(english), known[english]) for english in sorted(known, key=_own_letters, reverse=True))


def _own_letters(template: str) -> int:
    return sum(len(literal) for literal, *_ in Formatter().parse(template))


def _pattern(template: str) -> re.Pattern[str]:
    parts = (
        re.escape(literal) + (f"(?P<{field}>.+?)" if field else "")
        for literal, field, *_ in Formatter().parse(template)
    )
    return re.compile("".join(parts), re.DOTALL)
