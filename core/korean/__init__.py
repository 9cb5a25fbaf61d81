"""The app's sentences in Korean, by the English ones. A test holds that none is missing and none is left over."""

from __future__ import annotations

from collections.abc import Mapping

from core.korean import compare, everywhere, launch, methods, model, report, runs

KOREAN: Mapping[str, str] = {
    **everywhere.SENTENCES,
    **compare.SENTENCES,
    **launch.SENTENCES,
    **methods.SENTENCES,
    **runs.SENTENCES,
    **model.SENTENCES,
    **report.SENTENCES,
}
