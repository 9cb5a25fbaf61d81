"""The app's sentences in Korean, by the English ones. A test holds that none is missing and none is left over."""

from __future__ import annotations

from collections.abc import Mapping

KOREAN: Mapping[str, str] = {}
