"""Sentences in the reader's language, by gettext: written in English where they are used, translated in ``locale/``.

t("{n} of {total}", n=1, total=2)            # a sentence with its fields filled in
tn("1 run", "{n} runs", n)                    # by number
Message("{path} is missing", path=path)       # worded later, perhaps in another language or process
LABEL = N_("Magnitude")                       # marked for translation here, translated by t(LABEL) where it is shown
"""

from __future__ import annotations

import gettext
import math
import re
import string
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES: Mapping[str, str] = {"en": "English", "ko": "한국어"}
LOCALE = Path(__file__).resolve().parents[1] / "locale"
DOMAIN = "prunescope"

_forced: ContextVar[str | None] = ContextVar("language", default=None)
_sources: list[Callable[[], str | None]] = []


def current_language() -> str:
    """The language that sentences come in: that of :func:`use_language`, else what the source says, else English."""
    chosen = _forced.get()
    for source in _sources if chosen is None else ():
        chosen = source()
    return chosen if chosen and chosen in LANGUAGES else "en"


def set_language_source(source: Callable[[], str | None]) -> None:
    """Ask ``source`` for the language wherever :func:`use_language` does not say it, as for each session of the app."""
    _sources[:] = [source]


@contextmanager
def use_language(language: str) -> Iterator[None]:
    """Inside, sentences come in ``language``, a key of LANGUAGES."""
    token = _forced.set(language)
    try:
        yield
    finally:
        _forced.reset(token)


def t(sentence: str, /, **fields: object) -> str:
    """``sentence`` in the current language with its ``{fields}`` filled in, in English if nobody has translated it. A field
    may be a :class:`Message`."""
    translated = _catalogue(current_language()).gettext(sentence) if sentence else ""
    return translated.format(**_localized(fields)) if fields else translated


def tn(one: str, many: str, n: int, /, **fields: object) -> str:
    """``one`` or ``many``, whichever the language says for ``n``, which fills in the field of that name."""
    return _catalogue(current_language()).ngettext(one, many, n).format(n=n, **_localized(fields))


def N_(sentence: str) -> str:  # noqa: N802 - gettext's own name for it
    """``sentence`` as it is: marked to be translated, by :func:`t`, where it is shown."""
    return sentence


class Message:
    """A sentence that is not worded yet: an English ``template`` and the ``fields`` that fill it in. A field may be a
    message itself, which loses its full stop within another sentence."""

    def __init__(self, template: str, /, **fields: object) -> None:
        self.template = template
        self.fields = {name: getattr(value, "message", value) for name, value in fields.items()}

    def __str__(self) -> str:
        """In English, whoever reads: for logs and terminals."""
        with use_language("en"):
            return self.localized()

    def localized(self) -> str:
        """In the current language."""
        return t(self.template, **self.fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(str(self))

    def to_json(self) -> dict[str, Any]:
        """Plain data, the inverse of :meth:`from_json`; a field that is neither number nor text becomes text."""
        return {"template": self.template, "fields": {name: _plain(value) for name, value in self.fields.items()}}

    @classmethod
    def from_json(cls, data: Any, depth: int = 8) -> Message:
        """The message that ``data``, of a record, describes; ValueError for anything else and for messages within
        messages to more than ``depth``. A template that cannot be filled in is shown as it is."""
        match data:
            case {"template": str(template), "fields": dict(given)} if depth:
                pass
            case _:
                raise ValueError("it is not a message")
        fields = {str(name): cls.from_json(v, depth - 1) if isinstance(v, dict) else v for name, v in given.items()}
        message = cls(template, **fields)
        try:
            if all(map(_is_harmless, string.Formatter().parse(template))):
                str(message)
                return message
        except (LookupError, ValueError, TypeError, OverflowError):
            pass
        return cls.literal(template)

    @classmethod
    def literal(cls, text: str) -> Message:
        """``text`` as it is, in every language."""
        return cls("{text}", text=text)


def _is_harmless(part: tuple[str, str | None, str | None, str | None]) -> bool:
    """Whether a part of a template has no field, or a plain one: neither an attribute, nor a width of a million."""
    _, name, form, _ = part
    return name is None or (name.isidentifier() and re.fullmatch(r"[,\d.]{0,3}[a-z%]?", form or "") is not None)


def _localized(fields: Mapping[str, object]) -> dict[str, object]:
    """``fields`` of a sentence; one that is a message loses its full stop."""
    return {n: v.localized().removesuffix(".") if isinstance(v, Message) else v for n, v in fields.items()}


def _plain(value: object) -> Any:
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, float) and not math.isfinite(value):  # which JSON has no number for
        return str(value)
    return value if isinstance(value, str | int | float) else str(value)


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALE, [language], fallback=True)
