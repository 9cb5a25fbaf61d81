"""The folder of a run: its record, and all that pages, commands and workers share."""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from core.i18n import N_, Message
from core.runs.atomic_io import append_line, quarantine, read_lines, sha256, with_checksum, write_json
from core.runs.failure import FailureCode, RunFailure
from core.runs.lease import Holder, holder
from core.runs.record import read_object, read_record
from core.runs.result import RESULT, RunResult
from core.spec.errors import InputError, invalid_value
from core.spec.spec import RunSpec

REPOSITORY = Path(__file__).resolve().parents[2]
_RUN_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,120}")


class State(StrEnum):
    """The state of a run, as a person sees it."""

    QUEUED = N_("queued")
    RUNNING = N_("running")
    CANCELLING = N_("cancelling")
    CANCELLED = N_("cancelled")
    INTERRUPTED = N_("interrupted")
    FAILED = N_("failed")
    DONE = N_("done")


UNFINISHED = frozenset({State.QUEUED, State.RUNNING, State.CANCELLING, State.INTERRUPTED})


class _Child:
    """The path of what is called ``name`` in the folder that it is an attribute of."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: Home | RunFolder, owner: type) -> Path:
        return folder.path / self.name


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds ``checkpoints/``, ``cache/`` and ``data/``."""

    path: Path
    checkpoints = _Child("checkpoints")
    cache = _Child("cache")
    data = _Child("data")
    trash = _Child("trash")  # deleted runs
    latencies = _Child("latencies")

    @classmethod
    def default(cls) -> Home:
        """The home that PRUNESCOPE_HOME names, else the repository."""
        return cls(Path(os.environ.get("PRUNESCOPE_HOME") or REPOSITORY).expanduser().absolute())

    def prepare(self) -> Home:
        """Make the folders; InputError with the reason if they cannot be written."""
        for folder in (self.checkpoints, self.cache):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                probe = folder / f".writable-{secrets.token_hex(6)}"
                probe.touch()
                probe.unlink(missing_ok=True)  # another thread may have tried the same
            except OSError as error:
                raise InputError(
                    "{folder} cannot be written ({reason}): choose a folder of your own with --home or "
                    "PRUNESCOPE_HOME.",
                    folder=folder,
                    reason=error,
                ) from None
        return self

    def run(self, run_id: str) -> RunFolder:
        """The folder of the run called ``run_id``, which need not exist; InputError for what cannot be a run's name."""
        if not _RUN_ID.fullmatch(run_id):
            raise invalid_value("run", run_id, Message("the id of a run"))
        return RunFolder(self.checkpoints / run_id)

    def imported(self, sha256: str) -> Path:
        """Where the imported file of weights with this hash is kept."""
        return self.path / "imported" / sha256

    def runs(self) -> list[RunFolder]:
        """The folders of all runs, by name. InputError if they cannot be listed."""
        try:
            with os.scandir(self.checkpoints) as entries:
                names = sorted(entry.name for entry in entries if _RUN_ID.fullmatch(entry.name) and entry.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError("{path} cannot be read ({reason}).", path=self.checkpoints, reason=error) from None
        return [RunFolder(self.checkpoints / name) for name in names]

    def create(self, spec: RunSpec) -> RunFolder:
        """The folder of ``spec``'s run, made if it is not there yet; a damaged ``spec.json`` is mended. InputError if the
        disk refuses."""
        folder = self.run(spec.run_id)
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            try:
                _ = folder.spec
            except InputError:  # missing or damaged
                write_json(folder.spec_path, spec.to_json())
        except OSError as error:
            raise InputError("{path} cannot be written ({reason}).", path=folder.path, reason=error) from None
        return folder


@dataclass(frozen=True)
class RunFolder:
    """One run's folder. Reading never fails on a damaged file in another way than InputError."""

    path: Path
    spec_path = _Child("spec.json")
    result_path = _Child("result.json")
    events_path = _Child("events.jsonl")
    model_path = _Child("model.safetensors")
    log_path = _Child("log.txt")
    diagnostics_path = _Child("examination.json")
    sensitivity_path = _Child("sensitivity.json")
    int8_path = _Child("int8.json")
    int8_network_path = _Child("int8.onnx")
    _progress_path = _Child("progress.json")
    _cancel_path = _Child("cancel")

    @property
    def run_id(self) -> str:
        return self.path.name

    @cached_property
    def spec(self) -> RunSpec:
        """What this run is; InputError if ``spec.json`` is missing, damaged or another run's."""
        try:
            data = read_object(self.spec_path)
        except FileNotFoundError:
            raise InputError("{run}: {file} is missing.", run=self.run_id, file=self.spec_path.name) from None
        try:
            spec = RunSpec.from_json(data)
        except InputError as error:
            raise InputError("{run}: spec.json is damaged. {reason}", run=self.run_id, reason=error) from None
        if spec.run_id != self.run_id:
            raise InputError("{run}: spec.json is that of another run, {other}.", run=self.run_id, other=spec.run_id)
        return spec

    def result(self) -> RunResult | None:
        """What the run measured, None if there is nothing yet; InputError if the record is damaged or another run's."""
        try:
            return read_record(self.result_path, RESULT)
        except FileNotFoundError:
            return None

    def check_model(self) -> str:
        """The SHA-256 of the network's file; InputError if it is missing or another one than the result was measured on."""
        file = self.model_path.name
        try:
            digest = sha256(self.model_path)
        except OSError as error:
            raise InputError(
                "{run}: {file} cannot be read ({reason}).", run=self.run_id, file=file, reason=error
            ) from None
        result = self.result()
        if result is not None and result.model_sha256 not in (None, digest):
            raise InputError(
                "{run}: {file} was altered or is that of another run: put the file back, or delete the run and launch "
                "it again.",
                run=self.run_id,
                file=file,
            )
        return digest

    def commit(self, result: RunResult) -> None:
        """Write the result: from here on the run is done."""
        write_json(self.result_path, with_checksum(result.to_json()))
        with suppress(OSError):  # the progress of a finished run is not read
            self._progress_path.unlink()

    def append(self, kind: str, **data: Any) -> None:
        """One more line in the journal; OSError if the disk refuses."""
        if os.path.lexists(self.events_path) and (self.events_path.is_symlink() or not self.events_path.is_file()):
            quarantine(self.events_path)  # a link may lead to the journal of another run
        append_line(self.events_path, {"t": round(time.time(), 3), "type": kind, **data})

    def events(self) -> list[dict[str, Any]]:
        """The journal, oldest first."""
        return [event for event in read_lines(self.events_path) if isinstance(event.get("type"), str)]

    def report_progress(self, **data: Any) -> None:
        """Write where the run is within its epoch: overwritten every time, not synced."""
        write_json(self._progress_path, with_checksum({"t": time.time(), **data}), durable=False)

    def progress(self) -> dict[str, Any]:
        """What :meth:`report_progress` wrote last, or nothing."""
        with suppress(FileNotFoundError, InputError):
            return read_object(self._progress_path)
        return {}

    @property
    def cancel_requested(self) -> bool:
        return self._cancel_path.exists()

    def request_cancel(self) -> None:
        """Request that the process that executes the run stops; a run that none executes is cancelled at once."""
        state = self.state()
        if state in (State.DONE, State.FAILED, State.CANCELLED):
            return
        self._cancel_path.touch()
        if state not in (State.RUNNING, State.CANCELLING):
            self.append("cancelled")

    def enqueue(self, launch: str | None = None) -> None:
        """Record that the run waits, by which ``launch``; withdraw a request to cancel it, and quarantine a damaged
        result."""
        try:
            self.result()
        except InputError:
            quarantine(self.result_path)
        self._cancel_path.unlink(missing_ok=True)
        self.append("queued", **({"launch": launch} if launch else {}))

    def holder(self) -> Holder | None:
        return holder(self.path)

    def state(self) -> State:
        """The run's state, derived from what is in the folder."""
        return self.describe()[0]

    def describe(self) -> tuple[State, RunFailure | None]:
        """The state and, of a run that failed, why."""
        try:
            _ = self.spec
            if self.result() is not None:
                return State.DONE, None
        except InputError as error:
            return State.FAILED, RunFailure(FailureCode.INVALID_INPUT, error.message)
        owner = self.holder()
        if owner is not None and owner.alive:
            return (State.CANCELLING if self.cancel_requested else State.RUNNING), None
        events = self.events()
        for count, event in reversed(list(enumerate(events, 1))):
            if event["type"] in ("started", "queued", "cancelled", "failed"):
                # A request counts whatever happened to the run while it was stopping.
                if event["type"] == "cancelled" or self.cancel_requested:
                    return State.CANCELLED, None
                if event["type"] == "failed":
                    return State.FAILED, RunFailure.from_events(events[:count])
                return (State.INTERRUPTED if event["type"] == "started" else State.QUEUED), None
        return State.QUEUED, None
