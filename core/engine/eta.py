"""How long a training will still take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EtaEstimator:
    """Extrapolates the time left from this attempt, which ``began`` with ``done_before`` of ``epochs`` done."""

    epochs: int
    done_before: int
    began: float

    def seconds_left(self, done: float, now: float) -> float | None:
        """Seconds until all epochs are done, of which ``done`` are ``now``; None before anything is."""
        if done <= self.done_before:
            return None
        return (now - self.began) * (self.epochs - done) / (done - self.done_before)
