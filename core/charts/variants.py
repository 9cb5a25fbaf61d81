"""Variants in tables and charts, by the names that people call them in their language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import pandas as pd

from core.labels import variant_name

Look = TypeVar("Look")


def localized_variants(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with its column ``variant`` in words."""
    names = {variant: variant_name(variant) for variant in frame["variant"].unique()}
    return frame.assign(variant=frame["variant"].map(names))


def localized_styles(looks: Mapping[str, Look]) -> dict[str, Look]:
    """``looks`` by the names that ``in_words`` gives."""
    return {variant_name(variant): look for variant, look in looks.items()}
