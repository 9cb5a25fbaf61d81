"""The record of a dense run's sensitivity curves: its network's accuracy right after pruning, and after repair,
before any fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from pydantic import TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from core.runs.atomic_io import write_json
from core.runs.folder import RunFolder
from core.runs.record import EXACT, AtLeastOne, Percent, Sparsity, read_record
from core.spec.errors import InputError
from core.spec.method import Method, Scalar
from core.spec.methods import METHODS, find_method, legacy_settings

# Denser where curves are steep. The usual sparsities of a study are among them.
SPARSITIES = (
    *(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.74),
    *(0.78, 0.82, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98),
)


@dataclass(frozen=True, slots=True, config=EXACT)
class Curve:
    """A method with its settings, and at each sparsity the accuracy (percent) after it, and after the repair that is best
    for each network (None in early records)."""

    method: str
    settings: Mapping[str, Scalar]
    sparsity: tuple[Sparsity, ...]
    accuracy: tuple[Percent, ...]
    repaired: tuple[Percent, ...] | None = None

    @model_validator(mode="after")
    def _check(self) -> Curve:
        settings = find_method(self.method).complete({**legacy_settings(self.method), **self.settings})
        object.__setattr__(self, "settings", dict(settings))
        rising = all(low < high for low, high in pairwise(self.sparsity))
        lines = (self.accuracy, self.accuracy if self.repaired is None else self.repaired)
        if any(len(line) != len(self.sparsity) for line in lines) or not self.sparsity or not rising:
            raise ValueError("no rising sparsities, as many as there are accuracies")
        return self


@dataclass(frozen=True, slots=True, config=EXACT)
class Sensitivity:
    """The curves of one dense run, and what they were measured on: the first ``pictures`` of ``test_pictures`` in a fixed
    random order. ``model`` is the SHA-256 of the network's file, ``data`` the fingerprint of the data set."""

    run_id: str
    model: str
    data: str
    precision: str
    pictures: AtLeastOne
    test_pictures: AtLeastOne
    curves: tuple[Curve, ...]

    @model_validator(mode="after")
    def _check(self) -> Sensitivity:
        if self.pictures > self.test_pictures:
            raise ValueError("more pictures than there are")
        return self


_SENSITIVITY = TypeAdapter(Sensitivity)


def one_shot_methods() -> list[Method]:
    """The methods that prune the trained weights all at once by default: only they have such a curve."""
    return [
        method
        for method in METHODS.values()
        if not method.restarts and dict(method.complete({})).get("schedule", "one-shot") == "one-shot"
    ]


def write_sensitivity(folder: RunFolder, sensitivity: Sensitivity) -> None:
    """Write ``sensitivity`` into the dense run's folder; OSError if the disk refuses."""
    write_json(folder.sensitivity_path, _SENSITIVITY.dump_python(sensitivity, mode="json"))


def read_sensitivity(folder: RunFolder) -> Sensitivity | None:
    """That in the dense run's folder; None if there is nothing, or it is damaged or another run's."""
    try:
        return read_record(folder.sensitivity_path, _SENSITIVITY)
    except (FileNotFoundError, InputError):
        return None
