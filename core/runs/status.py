"""State, progress and time left of each run, read again only where something has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.i18n import Message
from core.runs.atomic_io import MAX_TIME, modified
from core.runs.chance import is_at_chance
from core.runs.events import is_training, phase_message
from core.runs.failure import FailureCode, RunFailure
from core.runs.folder import UNFINISHED, Home, RunFolder, State
from core.runs.polling import Signature, ThrottledReader, signature
from core.runs.result import RunResult
from core.spec.errors import InputError
from core.spec.spec import RunSpec
from core.spec.training_plan import make_training_plan
from core.spec.validate import finite

# States that only change together with a file in the run's folder; in the others a heartbeat may just stop.
_SETTLED = frozenset({State.DONE, State.FAILED, State.CANCELLED, State.QUEUED})
_FILES = ("", "events.jsonl", "result.json", "spec.json")  # "": the folder, whose time changes with all other files
_MAX_EPOCH = 2**31  # a later one is garbled
_CURVES = ("loss", "train_accuracy", "test_accuracy", "images_per_second", "seconds")


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The status of one run. ``fraction`` of its training that is done; ``seconds_left`` None where it is unknown;
    ``test_accuracy`` in percent, of the newest epoch, then as in the result; ``size_mb`` of the compressed file and
    ``relative_latency`` at batch 1 (the dense network's, timed in turns with it, is 1), first as measured right after
    pruning, then as in the result;
    ``created`` in seconds since 1970; ``launches``: ids of those that queued it;
    ``at_chance``: whether the finished network does no better than guessing."""

    run_id: str
    spec: RunSpec | None
    state: State
    failure: RunFailure | None
    phase: Message
    fraction: float
    seconds_left: float | None
    test_accuracy: float | None
    size_mb: float | None
    relative_latency: float | None
    at_chance: bool
    created: float
    launches: tuple[str, ...] = ()
    group: str = ""  # the same for the runs that start from dense runs of one recipe, and those dense runs


class Statuses:
    """The status of every run under a home. Safe to share between threads."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._known: dict[str, tuple[Signature, RunStatus]] = {}
        self._reader = ThrottledReader(self._read)

    def read(self) -> list[RunStatus]:
        """Every run: the recipe that was launched last first, within a recipe in the order of launching, so that a run
        keeps its place until something new is launched. InputError if the home cannot be read. Where there are hundreds
        of runs it may be a moment old, two seconds at most."""
        return list(self._reader.get())

    def unfinished(self, finished: Container[str]) -> list[RunStatus]:
        """The runs that wait or are under way, in no order. ``finished``: ids of runs known to have a result, which are
        passed over: a page that asks for nothing else does not have to read thousands of records."""
        left = (self._read_one(folder)[1] for folder in self.home.runs() if folder.run_id not in finished)
        return [status for status in left if status.state in UNFINISHED]

    def invalidate(self) -> None:
        """Make the next call read: runs were just launched, cancelled or deleted."""
        self._reader.invalidate()

    def _read(self) -> tuple[list[RunStatus], int]:
        entries = {folder.run_id: self._read_one(folder) for folder in self.home.runs()}
        self._known = entries
        return _sort([status for _, status in entries.values()]), len(entries)

    def _read_one(self, folder: RunFolder) -> tuple[Signature, RunStatus]:
        files = signature(folder.path, _FILES)
        entry = self._known.get(folder.run_id)
        if entry is None or entry[0] != files or entry[1].state not in _SETTLED:
            entry = self._known[folder.run_id] = (files, _status(folder))
        return entry


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Runs that failed for the same reason, and how many more failed only because these are their dense runs."""

    failure: RunFailure
    run_ids: tuple[str, ...]
    dependants: int


def group_failures(runs: Iterable[RunStatus]) -> list[FailureGroup]:
    """The failed ones of ``runs`` by their reasons. A pruned run whose dense run is not among them stands for itself."""
    failed = {run.run_id: run for run in runs if run.state == State.FAILED}
    causes: dict[RunFailure, list[str]] = {}
    dependants: Counter[RunFailure] = Counter()
    for run in failed.values():
        dense = failed.get(run.spec.dense.run_id) if run.spec and not run.spec.is_dense else None
        assert run.failure is not None
        if dense is not None and dense.failure is not None and run.failure.code == FailureCode.DENSE_FAILED:
            dependants[dense.failure] += 1
        else:
            causes.setdefault(run.failure, []).append(run.run_id)
    return [FailureGroup(failure, tuple(run_ids), dependants[failure]) for failure, run_ids in causes.items()]


def curves(folders: Iterable[RunFolder]) -> pd.DataFrame:
    """One row an epoch of each run, from the journals: run_id, phase, epoch and the measures. A pruned run has one
    more, its accuracy right after the last cut: phase ``pruned``, at epoch 0 if it was cut before the first; and another
    there if it was repaired: phase ``repaired``. Where a killed run did an epoch again, the later one counts. Garbled
    events are passed over."""
    rows: dict[tuple[str, str, float], dict[str, Any]] = {}
    for folder in folders:
        for event in folder.events():
            phase, epoch = _phase_and_epoch(event, folder)
            if phase is not None and epoch is not None:
                measures = {name: finite(event.get(name)) for name in _CURVES}
                row = {"run_id": folder.run_id, "phase": phase, "epoch": epoch, **measures}
                rows[folder.run_id, phase, epoch] = row
                if phase == "pruned" and (repaired := finite(event.get("accuracy_after_repair"))) is not None:
                    rows[folder.run_id, "repaired", epoch] = {**row, "phase": "repaired", "test_accuracy": repaired}
    return pd.DataFrame(list(rows.values()), columns=["run_id", "phase", "epoch", *_CURVES])


def _phase_and_epoch(event: Mapping[str, Any], folder: RunFolder) -> tuple[str, float] | tuple[None, None]:
    """The phase of an event with measures, and the number of epochs done by then; None for both for any other event."""
    phase, epoch = event.get("phase"), event.get("epoch")
    if event["type"] == "epoch" and isinstance(phase, str) and type(epoch) is int and 0 < epoch <= _MAX_EPOCH:
        return phase, epoch
    if event["type"] == "pruned":
        before = finite(event.get("epochs_before"))
        if before is not None and 0 <= before <= _MAX_EPOCH:
            return "pruned", before
        try:  # earlier versions did not note it
            if not folder.spec.is_dense:
                return "pruned", make_training_plan(folder.spec).pruned_after
        except InputError:  # the spec is unreadable: when it was cut is unknown
            pass
    return None, None


def _sort(runs: list[RunStatus]) -> list[RunStatus]:
    newest: dict[str, float] = {}
    for run in runs:
        newest[run.group] = max(run.created, newest.get(run.group, 0.0))
    return sorted(runs, key=lambda run: (-newest[run.group], run.group, run.created, run.run_id))


def _status(folder: RunFolder) -> RunStatus:
    state, failure = folder.describe()
    try:
        spec = folder.spec
    except InputError:
        spec = None
    events = folder.events()
    progress = folder.progress() if state in (State.RUNNING, State.CANCELLING) else {}
    # While data are prepared nothing is trained: the epochs done before still count, and the time left is unknown.
    training = progress if is_training(progress) else {}
    epochs = [event for event in events if event["type"] == "epoch"]
    last = epochs[-1] if epochs else {}
    result = folder.result() if state == State.DONE else None
    size, latency = _costs(result, events)
    done = 1.0 if state == State.DONE else _epoch_fraction(last)
    fraction = finite(training.get("fraction"))
    return RunStatus(
        run_id=folder.run_id,
        spec=spec,
        state=state,
        failure=failure,
        phase=phase_message(progress),
        fraction=done if fraction is None else min(1.0, max(0.0, fraction)),
        seconds_left=finite(training.get("seconds_left")),
        test_accuracy=result.test_accuracy if result else finite(last.get("test_accuracy")),
        size_mb=size,
        relative_latency=latency,
        at_chance=bool(result and spec and is_at_chance(result, spec.recipe.data)),
        created=_created(folder, events),
        launches=tuple(str(event["launch"]) for event in events if event["type"] == "queued" and event.get("launch")),
        # A dense run's own recipe has no fine-tuning: it goes with the others of its data, network and training.
        group=spec.dense.recipe.key if spec else "",
    )


def _costs(result: RunResult | None, events: list[dict[str, Any]]) -> tuple[float | None, float | None]:
    """Size (MB) and latency (dense = 1): of a finished run as in its result, else as measured after the last cut."""
    if result is not None:
        return result.model_size_mb, result.relative_latency
    pruned: dict[str, Any] = next((event for event in reversed(events) if event["type"] == "pruned"), {})
    latency, dense = finite(pruned.get("inference_latency_ms")), finite(pruned.get("dense_latency_ms"))
    if pruned.get("filter_ratio") == 0:
        latency = dense  # no channel is gone: the operations are the same
    return finite(pruned.get("model_size_mb")), latency / dense if latency and dense else None


def _epoch_fraction(event: dict[str, Any]) -> float:
    epoch, epochs = finite(event.get("epoch")), finite(event.get("epochs"))
    return min(1.0, epoch / epochs) if epoch and epochs else 0.0


def _created(folder: RunFolder, events: list[dict[str, Any]]) -> float:
    first = finite(events[0].get("t")) if events else None
    if first is not None and 0 < first < MAX_TIME:
        return first
    try:
        return modified(folder.path)
    except OSError:
        return 0.0
