"""Runs as rows of a table: filtered, one by one or grouped by everything but the seed, and what sets two apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.i18n import t
from core.labels import duration, phase_name, recipe_name, run_name, short_variant_name, state_name
from core.results.statistics import half_width
from core.runs.folder import State
from core.runs.status import RunStatus
from core.spec.spec import RunSpec

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


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs are wanted: of these states and variants (none: of all), with each word of ``text`` somewhere."""

    states: Collection[str] = ()
    variants: Collection[str] = ()
    text: str = ""

    def holds(self, run: RunStatus) -> bool:
        """Whether ``run`` is wanted."""
        if self.states and run.state not in self.states:
            return False
        if self.variants and (run.spec is None or run.spec.variant not in self.variants):
            return False
        if not self.text.strip():
            return True
        told = run.run_id
        if run.spec is not None:
            spec, recipe = run.spec, run.spec.recipe
            told += f" {spec.label} {recipe.label} {run_name(spec)} {recipe_name(recipe)}"
        return all(word in told.lower() for word in self.text.lower().split())


def run_row(run: RunStatus) -> dict[str, Any]:
    """One run; first what a narrow window has room for."""
    spec = run.spec
    now = phase_name(run.phase)
    if run.seconds_left is not None:
        now = t("{phase}, {time} left", phase=now, time=duration(run.seconds_left))
    return {
        "Method": short_variant_name(spec.method, spec.settings) if spec else run.run_id,
        "Sparsity": spec.sparsity if spec else None,
        "Seed": spec.seed if spec else None,
        "Accuracy (%)": run.test_accuracy,
        "State": f"{MARKS[run.state]} {state_name(run.state).capitalize()}",
        "Progress": round(100 * run.fraction, 1),
        "Now": now if run.state == State.RUNNING else None,
        "Size (MB)": run.size_mb,
        "Latency (ms)": run.latency_ms,
        "Launched": datetime.fromtimestamp(run.created, UTC),
        "Recipe": recipe_name(spec.recipe) if spec else "",
    }


def groups(runs: Iterable[RunStatus]) -> list[list[RunStatus]]:
    """The runs that differ in nothing but the seed, together, in the order of the first of each."""
    found: dict[Any, list[RunStatus]] = {}
    for run in runs:
        spec = run.spec
        key = (spec.recipe, spec.method, spec.sparsity, spec.settings) if spec else run.run_id
        found.setdefault(key, []).append(run)
    return list(found.values())


def group_row(runs: Sequence[RunStatus]) -> dict[str, Any]:
    """Runs of one group: how many there are in which state, and mean and interval of those that are done."""
    first = run_row(runs[0])
    done = [run.test_accuracy for run in runs if run.state == State.DONE and run.test_accuracy is not None]
    sizes = [run.size_mb for run in runs if run.state == State.DONE and run.size_mb is not None]
    counts = {state: sum(run.state == state for run in runs) for state in State}
    spread = float(np.std(done, ddof=1)) if len(done) > 1 else float("nan")
    return {
        "Method": first["Method"],
        "Sparsity": first["Sparsity"],
        "Done": len(done),
        "Accuracy (%)": float(np.mean(done)) if done else None,
        "± 95 %": float(half_width(spread, len(done))) if len(done) > 1 else None,
        "State": " ".join(f"{MARKS[state]} {count}" for state, count in counts.items() if count),
        "Progress": round(100 * sum(run.fraction for run in runs) / len(runs), 1),
        "Size (MB)": float(np.mean(sizes)) if sizes else None,
        "Launched": max(datetime.fromtimestamp(run.created, UTC) for run in runs),
        "Recipe": first["Recipe"],
    }


def differences(one: RunSpec, other: RunSpec) -> list[tuple[str, str, str]]:
    """What differs between two runs: the field by its place in spec.json, and both values; "—" where there is none."""
    left, right = _flat(one.to_json()), _flat(other.to_json())
    names = [*left, *(name for name in right if name not in left)]
    values = [(name, left.get(name, "—"), right.get(name, "—")) for name in names]
    return [(name, mine, others) for name, mine, others in values if mine != others]


def _flat(data: Mapping[str, Any], place: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{place}{name}.")
        else:
            found[f"{place}{name}"] = "—" if value is None else str(value)
    return found
