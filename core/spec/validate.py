"""Checks for everything that comes from outside; each error names the field, the value and what is accepted."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from core.i18n import Message
from core.spec.errors import invalid_value


def check_int(field: str, value: Any, low: int, high: int) -> int:
    """``value`` as an int in [low, high]; booleans and fractions are refused."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise invalid_value(field, value, Message("a whole number from {low} to {high}", low=low, high=high))
    return value


def check_float(field: str, value: Any, low: float, high: float, *, below_high: bool = False) -> float:
    """``value`` as a finite float in [low, high], or [low, high) with ``below_high``."""
    number = finite(value)
    if number is None or not low <= number <= high or (below_high and number == high):
        if below_high:
            accepted = Message("a number from {low:g} below {high:g}", low=low, high=high)
        else:
            accepted = Message("a number from {low:g} to {high:g}", low=low, high=high)
        raise invalid_value(field, value, accepted)
    return number + 0.0  # -0.0 is 0.0, or one spec would have two ids


def finite(value: object) -> float | None:
    """``value`` as a float if it is a finite number (a boolean is none), else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits, which JSON may hold
        return None
    return number if math.isfinite(number) else None


def check_choice(field: str, value: Any, choices: Collection[Any]) -> Any:
    """``value`` if it is one of ``choices`` and of the same type as that choice."""
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    raise invalid_value(field, value, Message("one of {choices}", choices=", ".join(map(str, choices))))


def check_keys(field: str, value: Any, accepted: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """``value`` if it is a mapping that has exactly the accepted keys; those that are ``optional``, too, may be missing."""
    if not isinstance(value, dict):
        raise invalid_value(field, value, Message("an object with the keys {choices}", choices=", ".join(accepted)))
    if not set(accepted) - set(optional) <= set(value) <= set(accepted):
        raise invalid_value(
            Message("the keys of {field}", field=field), sorted(map(str, value)), Message.literal(", ".join(accepted))
        )
    return value
