"""Runs as rows of a table, one by one or grouped by everything but the seed; filters, and what sets two runs apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.i18n import t
from core.labels import duration, recipe_name, short_variant_name, state_name
from core.results.statistics import half_width
from core.runs.folder import UNFINISHED, State
from core.runs.status import RunStatus
from core.spec.spec import RunSpec
from ui.runs.search import contains, phrases

# Plain characters, which every font has.
MARKS = {
    State.QUEUED: "○",
    State.RUNNING: "▶",
    State.CANCELLING: "■",
    State.CANCELLED: "–",
    State.INTERRUPTED: "‖",
    State.FAILED: "✕",
    State.DONE: "✓",
}
LAUNCH_MARK = "»"


@dataclass(frozen=True, slots=True)
class Filter:
    """Runs of these states and variants (none: of all) that show the words of ``text``, or have it as their id."""

    states: Collection[str] = ()
    variants: Collection[str] = ()
    text: str = ""

    def matches(self, run: RunStatus) -> bool:
        if self.states and run.state not in self.states:
            return False
        if self.variants and (run.spec is None or run.spec.variant not in self.variants):
            return False
        text = self.text.strip()
        return not text or text == run.run_id or contains(phrases(run), text)


def in_order(runs: Iterable[RunStatus], launch: str) -> list[RunStatus]:
    """Runs that are not finished first, and before others those that ``launch`` queued; else in the given order."""
    return sorted(runs, key=lambda run: (run.state not in UNFINISHED, launch not in run.launches))


def run_row(run: RunStatus, launch: str = "") -> dict[str, Any]:
    """One run, marked if ``launch`` queued it; first what a narrow window has room for."""
    spec = run.spec
    phase, chance = run.phase.localized(), " · " + t("at chance level")
    if run.seconds_left is not None:
        phase = t("{phase}, {time} left", phase=phase, time=duration(run.seconds_left))
    return {
        "method": _mark(run, launch) + (short_variant_name(spec.method, spec.settings) if spec else run.run_id),
        "sparsity": spec.sparsity if spec else None,
        "seed": spec.seed if spec else None,
        "accuracy": run.test_accuracy,
        "state": f"{MARKS[run.state]} {state_name(run.state).capitalize()}" + chance * run.at_chance,
        "progress": round(100 * run.fraction, 1),
        "phase": phase if run.state == State.RUNNING else None,
        "size_mb": run.size_mb,
        "relative_latency": run.relative_latency,
        "launched": datetime.fromtimestamp(run.created, UTC),
        "recipe": recipe_name(spec.recipe) if spec else "",
    }


def _mark(run: RunStatus, launch: str) -> str:
    return f"{LAUNCH_MARK} " if launch in run.launches else ""


def groups(runs: Iterable[RunStatus]) -> list[list[RunStatus]]:
    """The runs that differ in nothing but the seed, together, in the order of the first of each."""
    grouped: dict[Any, list[RunStatus]] = {}
    for run in runs:
        spec = run.spec
        key = (spec.recipe, spec.method, spec.sparsity, spec.settings) if spec else run.run_id
        grouped.setdefault(key, []).append(run)
    return list(grouped.values())


def group_row(runs: Sequence[RunStatus], launch: str = "") -> dict[str, Any]:
    """Runs of one group: how many there are in which state, and mean and interval of those that are done."""
    first = run_row(max(runs, key=lambda run: launch in run.launches), launch)
    done = [run.test_accuracy for run in runs if run.state == State.DONE and run.test_accuracy is not None]
    sizes = [run.size_mb for run in runs if run.state == State.DONE and run.size_mb is not None]
    counts = Counter(run.state for run in runs)
    spread = float(np.std(done, ddof=1)) if len(done) > 1 else float("nan")
    return {
        "method": first["method"],
        "sparsity": first["sparsity"],
        "done": len(done),
        "accuracy": float(np.mean(done)) if done else None,
        "interval": float(half_width(spread, len(done))) if len(done) > 1 else None,
        "state": " ".join(f"{MARKS[state]} {counts[state]}" for state in State if counts[state]),
        "progress": round(100 * sum(run.fraction for run in runs) / len(runs), 1),
        "size_mb": float(np.mean(sizes)) if sizes else None,
        "launched": max(datetime.fromtimestamp(run.created, UTC) for run in runs),
        "recipe": first["recipe"],
    }


def differences(first: RunSpec, second: RunSpec) -> list[tuple[str, str, str]]:
    """What differs between two runs: the field by its place in spec.json, and both values; "—" where there is none."""
    left, right = _flat(first.to_json()), _flat(second.to_json())
    values = [(name, left.get(name, "—"), right.get(name, "—")) for name in left | right]
    return [row for row in values if row[1] != row[2]]


def _flat(data: Mapping[str, Any], place: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{place}{name}.")
        else:
            flat[f"{place}{name}"] = "—" if value is None else str(value)
    return flat
