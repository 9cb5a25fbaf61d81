"""What is chosen as the texts that an address has for one name, and back."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

MAX_LENGTH, MAX_VALUES = 300, 100  # characters of a value, and values of one name
_FLAGS = {"1": True, "0": False}

Texts = tuple[str, ...]


class InvalidValueError(ValueError):
    """``text`` is not one of the values that a name may have."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def to_texts(value: str | float | bool | Sequence[str]) -> Texts:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool):
        return ("1" if value else "0",)
    if isinstance(value, int | float):
        return (f"{value:g}",)
    return tuple(value) or ("",)


def parse_text(texts: Texts) -> str:
    """The last of ``texts``. Every function here raises InvalidValueError."""
    return _checked(texts)[-1]


def parse_choice(texts: Texts, accepted: Collection[str]) -> str:
    text = parse_text(texts)
    if text not in accepted:
        raise InvalidValueError(text)
    return text


def parse_list(texts: Texts) -> str:
    """A list as it was typed; links of earlier versions have a text for each entry."""
    return ", ".join(_checked(texts))


def parse_choices(texts: Texts, accepted: Collection[str]) -> list[str]:
    """All of ``texts``, each once."""
    chosen = [text for text in _checked(texts) if text]  # one empty text says that nothing is chosen
    for text in chosen:
        if text not in accepted:
            raise InvalidValueError(text)
    return list(dict.fromkeys(chosen))


def parse_flag(texts: Texts) -> bool:
    return _FLAGS[parse_choice(texts, _FLAGS)]


def parse_number(texts: Texts, low: float, high: float) -> float:
    text = parse_text(texts)
    try:
        value = float(text)
    except ValueError:
        raise InvalidValueError(text) from None
    if not math.isfinite(value) or not low <= value <= high:
        raise InvalidValueError(text)
    return value + 0.0  # -0.0 is 0.0


def _checked(texts: Texts) -> Texts:
    """``texts``, of which there is at least one; InvalidValueError for more than anybody would choose."""
    for text in texts:
        if len(text) > MAX_LENGTH:
            raise InvalidValueError(text)
    if len(texts) > MAX_VALUES:
        raise InvalidValueError(texts[-1])
    return texts
