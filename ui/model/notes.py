"""What the Model page says of a network in a line each: in int8, of its latency budget, of channels that went at the end."""

from __future__ import annotations

from collections.abc import Iterator

import streamlit as st

from core.i18n import t, tn
from core.runs.folder import RunFolder
from core.runs.int8 import LOSS, Int8Result, read_int8
from core.runs.result import LatencyBudget, RunResult
from core.spec.errors import InputError
from ui.shared.components import times


def show_notes(folder: RunFolder, result: RunResult) -> None:
    lines = list(_notes(folder, result))
    if lines:
        st.markdown("  \n".join(lines))


def _notes(folder: RunFolder, result: RunResult) -> Iterator[str]:
    if result.latency_budget is not None:
        yield f":material/timer: {describe_budget(result.latency_budget)}"
    if result.removed_channels:
        yield ":material/content_cut: " + tn(
            "1 channel that did nothing any more was removed at the end.",
            "{n} channels that did nothing any more were removed at the end.",
            result.removed_channels,
        )
    try:
        int8 = read_int8(folder)
    except InputError:  # it can be made again
        return
    if int8 is not None and int8.is_of(result.model_sha256):
        yield f":material/memory: {describe_int8(int8, result)}"


def describe_budget(budget: LatencyBudget) -> str:
    measured = "—" if budget.measured is None else f"{budget.measured:.2f}"
    return t(
        "Latency budget: at most {budget:.2f} of the dense network's time; predicted {predicted:.2f}, measured {measured}.",
        budget=budget.budget,
        predicted=budget.predicted,
        measured=measured,
    )


def describe_int8(int8: Int8Result, result: RunResult) -> str:
    """The network in int8 beside itself in float32, or why there is none."""
    if int8.reason is not None:
        return t("No network in int8: {reason}", reason=int8.reason.localized())
    assert int8.int8_accuracy is not None
    assert int8.int8_file_mb is not None
    change = int8.int8_accuracy - result.test_accuracy
    line = t(
        "In int8: accuracy {accuracy:.2f} % ({change:+.2f}), ONNX file {size:.3g} MB; {batch} in a large batch and {one} "
        "for one image, against the dense network in float32.",
        accuracy=int8.int8_accuracy,
        change=change,
        size=int8.int8_file_mb,
        batch=times(int8.int8_batch_speedup),
        one=times(int8.int8_speedup),
    )
    if change < -LOSS:
        line += " :red-badge[" + t("int8 breaks this network") + "]"
    if int8.int8_batch_gain is not None and int8.int8_batch_gain < 1:
        line += " :orange-badge[" + t("int8 is not faster here") + "]"
    return line
