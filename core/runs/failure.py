"""Why a run failed: a code for programs, a message for people, as an event of the journal has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.i18n import Message


class DeviceUnusableError(RuntimeError):
    """This process cannot rely on its GPU any more, but another one can. How its run ended has been recorded before."""


class FailureCode(StrEnum):
    """What kind of failure it was."""

    INVALID_INPUT = "invalid_input"
    DENSE_FAILED = "dense_failed"  # it was never begun, as the dense run that it starts from had failed
    OUT_OF_MEMORY = "out_of_memory"
    DISK_FULL = "disk_full"
    KILLED = "killed"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class RunFailure:
    """A failure; ``smaller_batch`` is the batch size to try instead, where memory was not enough."""

    code: FailureCode
    message: Message
    smaller_batch: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields of its event."""
        fields = {"code": self.code.value, "message": self.message.to_json()}
        return fields if self.smaller_batch is None else {**fields, "smaller_batch": self.smaller_batch}

    @classmethod
    def from_events(cls, events: Sequence[Mapping[str, Any]]) -> RunFailure:
        """The failure that ``events`` end with. What cannot be read of it is left out. Journals of version 1 hold a
        sentence in English instead of code and message. There a run that was never started since it was queued can only
        have failed for its dense run."""
        event = events[-1]
        batch = event.get("smaller_batch")
        smaller = batch if type(batch) is int and batch >= 2 else None
        try:
            return cls(FailureCode(event["code"]), Message.from_json(event["message"]), smaller)
        except (KeyError, ValueError):
            reason = event.get("reason")
        message = Message.literal(reason) if isinstance(reason, str) else Message("no reason was recorded")
        if smaller is not None:
            return cls(FailureCode.OUT_OF_MEMORY, message, smaller)
        kinds = [event["type"] for event in reversed(events)]
        begun = "started" in (kinds[: kinds.index("queued")] if "queued" in kinds else kinds)
        return cls(FailureCode.UNEXPECTED if begun else FailureCode.DENSE_FAILED, message)
