"""Journal events and progress in words; and a printer that follows the journals of many runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from core.i18n import N_, Message
from core.runs.failure import RunFailure
from core.runs.folder import UNFINISHED, RunFolder
from core.spec.validate import finite

POLL_SECONDS = 1.0
# Phases of a run in which it trains or measures, as progress and events name them.
PHASES = {"train": N_("Training"), "finetune": N_("Fine-tuning"), "measure": N_("Measuring")}
PREPARE = "prepare"  # the phase before: the data set is being loaded
STARTED_OVER = {"origin_changed": N_("the pictures, the dense network or the program are not those it began with")}
# Fields of sentences that are called otherwise in the journal.
_FIELDS = {
    "accuracy": "test_accuracy",
    "speed": "images_per_second",
    "sparsity": "reached_sparsity",
    "size": "model_size_mb",
    "repair": "repair_applied",
    "repaired": "accuracy_after_repair",
}
_BARE = {"queued": N_("queued"), "cancelled": N_("cancelled")}


class EventPrinter:
    """Prints each event that the runs in ``folders`` append to their journals after it was made, one line each."""

    def __init__(self, folders: Sequence[RunFolder], print_line: Callable[[str], None]) -> None:
        self.run_ids = frozenset(folder.run_id for folder in folders)
        self._folders = folders
        self._print_line = print_line
        self._printed = {folder.run_id: len(folder.events()) for folder in folders}
        self._phase = dict.fromkeys(self._printed, "")
        self._size: dict[str, int] = {}

    def poll(self) -> None:
        """Print what is new since the last call."""
        for folder in self._folders:
            self._print_preparation(folder)
            if not self._has_grown(folder):
                continue
            events = folder.events()
            for event in events[self._printed[folder.run_id] :]:
                self._print_line(f"{folder.run_id}: {event_message(event)}")
            self._printed[folder.run_id] = len(events)

    def finished(self) -> bool:
        """Whether no run goes on by itself any more."""
        return not any(folder.state() in UNFINISHED for folder in reversed(self._folders))

    def _has_grown(self, folder: RunFolder) -> bool:
        """Whether the journal's size is another one: a study has hundreds of journals, and few of them change."""
        try:
            size = folder.events_path.stat().st_size
        except OSError:
            return False
        changed = self._size.get(folder.run_id) != size
        self._size[folder.run_id] = size
        return changed

    def _print_preparation(self, folder: RunFolder) -> None:
        """Print what is prepared; events tell of the other phases."""
        progress = folder.progress()
        phase = str(phase_message(progress))
        if phase and phase != self._phase[folder.run_id] and not is_training(progress):
            self._print_line(f"{folder.run_id}: {phase}")
        self._phase[folder.run_id] = phase


@contextmanager
def printing_events(folders: Sequence[RunFolder], print_line: Callable[[str], None]) -> Iterator[None]:
    """Print the events of ``folders`` while the block runs."""
    printer = EventPrinter(folders, print_line)
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(POLL_SECONDS):
            printer.poll()

    thread = threading.Thread(target=follow, name="event printer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        printer.poll()


def is_training(progress: Mapping[str, Any]) -> bool:
    """Whether the run trains or measures, so that the fraction in ``progress`` is one of its training."""
    phase = progress.get("phase")
    return isinstance(phase, str) and phase in PHASES


def phase_message(progress: Mapping[str, Any]) -> Message:
    """What the run is doing, by its progress record. Earlier versions put a sentence there for the data's preparation."""
    phase = progress.get("phase", "")
    if is_training(progress):
        return Message(PHASES[phase])
    if phase != PREPARE:
        return Message.literal(str(phase))
    try:
        step = Message.from_json(progress.get("step"))
    except ValueError:
        step = Message.literal(PREPARE)
    return Message("{step} ({fraction:.0%})", step=step, fraction=finite(progress.get("fraction")) or 0.0)


def event_message(event: Mapping[str, Any]) -> Message:
    """An event as a line of text. One that is garbled or of an unknown kind is only named."""
    try:
        message = _event_message(event)
        str(message)  # a field of another type than its format's
    except (LookupError, TypeError, ValueError, OverflowError):
        return Message.literal(str(event["type"]).replace("_", " "))
    return message


def _event_message(event: Mapping[str, Any]) -> Message:
    fields = {**event, **{field: event.get(name) for field, name in _FIELDS.items()}}
    match event["type"]:
        case "epoch":
            fields["phase"] = _training_phase(event["phase"])
            return Message(
                "{phase}, epoch {epoch}/{epochs}: loss {loss:.3f}, test accuracy {accuracy:.2f} %, {speed:,.0f} "
                "images/s",
                **fields,
            )
        case "pruned" if "repair_applied" in event:
            return Message(
                "pruned to sparsity {sparsity:.4f}, {size:.3f} MB; test accuracy {accuracy:.2f} %, after repair "
                "({repair}) {repaired:.2f} %, before fine-tuning",
                **fields,
            )
        case "pruned":
            return Message(
                "pruned to sparsity {sparsity:.4f}, {size:.3f} MB; test accuracy {accuracy:.2f} % before fine-tuning",
                **fields,
            )
        case "started":
            return Message("started on {hardware} (attempt {attempt}, threads: {threads})", **fields)
        case "done":
            return Message("done, test accuracy {accuracy:.2f} %", **fields)
        case "resumed":
            return Message("goes on after epoch {epoch}", **fields)
        case "started_over":
            return Message("starts over: {reason}", reason=_started_over_reason(event["reason"]))
        case "checkpoint_damaged":
            return Message("{file} is damaged and not used", file=event["name"])
        case "failed":
            return Message("failed: {reason}", reason=RunFailure.from_events([event]).message)
        case kind:
            return Message(_BARE[kind])


def _training_phase(phase: str) -> Message:
    return {"train": Message("training"), "finetune": Message("fine-tuning")}.get(phase) or Message.literal(phase)


def _started_over_reason(reason: str) -> Message:
    return Message(STARTED_OVER[reason]) if reason in STARTED_OVER else Message.literal(reason)
