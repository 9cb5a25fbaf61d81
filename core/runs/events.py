"""Follow runs through their folders and put what happens into lines of text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from core.runs.folder import UNFINISHED, RunFolder

POLL_SECONDS = 1.0


class EventPrinter:
    """Says each new event of ``folders`` once; what was there when it was made is old."""

    def __init__(self, folders: Sequence[RunFolder], say: Callable[[str], None]) -> None:
        self._folders = folders
        self._say = say
        self._seen = {folder.run_id: len(folder.events()) for folder in folders}
        self._phase = dict.fromkeys(self._seen, "")
        self._size: dict[str, int] = {}

    def look(self) -> None:
        """Say what is new since the last look."""
        for folder in self._folders:
            self._look_at_progress(folder)
            if not self._changed(folder):
                continue
            events = folder.events()
            for event in events[self._seen[folder.run_id] :]:
                line = describe_event(event)
                if line:
                    self._say(f"{folder.run_id}: {line}")
            self._seen[folder.run_id] = len(events)

    def finished(self) -> bool:
        """Whether no run goes on by itself any more."""
        return not any(folder.state() in UNFINISHED for folder in reversed(self._folders))

    def _changed(self, folder: RunFolder) -> bool:
        """Whether the journal has grown: a study has hundreds, and most of them rest."""
        try:
            size = folder.events_path.stat().st_size
        except OSError:
            return False
        changed = self._size.get(folder.run_id) != size
        self._size[folder.run_id] = size
        return changed

    def _look_at_progress(self, folder: RunFolder) -> None:
        phase = str(folder.progress().get("phase", ""))
        if phase and phase != self._phase[folder.run_id] and phase not in PHASES:
            self._say(f"{folder.run_id}: {phase}")
        self._phase[folder.run_id] = phase


# Phases of a run that its events tell of anyway.
PHASES = {"train": "Training", "finetune": "Fine-tuning", "measure": "Measuring"}


@contextmanager
def watching(folders: Sequence[RunFolder], say: Callable[[str], None]) -> Iterator[None]:
    """Follow ``folders`` beside whatever the block does."""
    watcher = EventPrinter(folders, say)
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(POLL_SECONDS):
            watcher.look()

    thread = threading.Thread(target=follow, name="watcher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        watcher.look()


def describe_event(event: dict[str, Any]) -> str:
    """An event as a line of text, empty for one that needs none. A garbled event is only named."""
    kind = event["type"]
    try:
        match kind:
            case "epoch":
                return (
                    f"{PHASES.get(event['phase'], event['phase']).lower()}, epoch {event['epoch']}/{event['epochs']}: "
                    f"loss {event['loss']:.3f}, test accuracy {event['test_accuracy']:.2f} %, "
                    f"{event['images_per_second']:,.0f} images/s"
                )
            case "pruned":
                return (
                    f"pruned to sparsity {event['reached_sparsity']:.4f}, {event['model_size_mb']:.3f} MB; "
                    f"test accuracy {event['test_accuracy']:.2f} % before fine-tuning"
                )
            case "started":
                return f"started on {event['hardware']} (attempt {event['attempt']}, threads: {event['threads']})"
            case "done":
                return f"done, test accuracy {event['test_accuracy']:.2f} %"
            case "resumed":
                return f"goes on after epoch {event['epoch']}"
            case "failed":
                return f"failed: {event['reason']}"
    except (KeyError, TypeError, ValueError):
        pass
    return kind.replace("_", " ") if isinstance(kind, str) else ""
