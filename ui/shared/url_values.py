"""What is chosen as the texts that an address has for one name, and back."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from core.i18n import Message
from core.spec.errors import InputError

MAX_LENGTH, MAX_VALUES = 300, 100  # letters of a value, and values of one name, that are looked at
_FLAGS = {"1": True, "0": False}

Texts = tuple[str, ...]


def to_texts(value: str | float | bool | Sequence[str]) -> Texts:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool):
        return ("1" if value else "0",)
    if isinstance(value, int | float):
        return (f"{value:g}",)
    return tuple(value) or ("",)


def parse_choice(texts: Texts, accepted: Collection[str]) -> str:
    """The last of ``texts``. This and the next three raise InputError, with the text that is not accepted."""
    text = _checked(texts)[-1]
    if text not in accepted:
        raise InputError(Message.literal(text))
    return text


def parse_choices(texts: Texts, accepted: Collection[str]) -> list[str]:
    chosen = [text for text in _checked(texts) if text]  # one empty text says that nothing is chosen
    for text in chosen:
        if text not in accepted:
            raise InputError(Message.literal(text))
    return list(dict.fromkeys(chosen))


def parse_flag(texts: Texts) -> bool:
    return _FLAGS[parse_choice(texts, _FLAGS)]


def parse_number(texts: Texts, low: float, high: float) -> float:
    text = _checked(texts)[-1]
    try:
        value = float(text)
    except ValueError:
        raise InputError(Message.literal(text)) from None
    if not math.isfinite(value) or not low <= value <= high:
        raise InputError(Message.literal(text))
    return value + 0.0  # -0.0 is 0.0


def _checked(texts: Texts) -> Texts:
    """``texts``, of which there is at least one; InputError for more than anybody would choose."""
    for text in texts:
        if len(text) > MAX_LENGTH:
            raise InputError(Message.literal(text))
    if len(texts) > MAX_VALUES:
        raise InputError(Message.literal(texts[-1]))
    return texts
