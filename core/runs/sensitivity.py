"""The record of a dense run's sensitivity curves: its network's accuracy right after pruning, before any fine-tuning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from core.i18n import Message
from core.runs.atomic_io import write_json
from core.runs.folder import RunFolder
from core.spec.errors import InputError, invalid_value
from core.spec.methods import METHODS, Method, Scalar, find_method
from core.spec.validate import check_float, check_int, check_keys

# Denser where curves are steep. The usual sparsities of a study are among them.
SPARSITIES = (
    *(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.74),
    *(0.78, 0.82, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98),
)


@dataclass(frozen=True, slots=True)
class Curve:
    """A method with its settings, and the accuracy (percent) after it at each sparsity."""

    method: str
    settings: Mapping[str, Scalar]
    sparsity: tuple[float, ...]
    accuracy: tuple[float, ...]

    def __post_init__(self) -> None:
        find_method(self.method).complete(self.settings)
        for value in self.sparsity:
            check_float("sparsity", value, 0, 1, below_high=True)
        for value in self.accuracy:
            check_float("accuracy", value, 0, 100)
        rising = all(low < high for low, high in pairwise(self.sparsity))
        if len(self.sparsity) != len(self.accuracy) or not self.sparsity or not rising:
            raise invalid_value("sparsity", self.sparsity, Message("rising values, as many as there are accuracies"))


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The curves of one dense run, and what they were measured on: the first ``pictures`` of ``test_pictures`` in a fixed
    random order. ``model`` is the SHA-256 of the network's file, ``data`` the fingerprint of the data set."""

    run_id: str
    model: str
    data: str
    precision: str
    pictures: int
    test_pictures: int
    curves: tuple[Curve, ...]


def one_shot_methods() -> list[Method]:
    """The methods that prune the trained weights all at once by default: only they have such a curve."""
    return [
        method
        for method in METHODS.values()
        if not method.restarts and dict(method.complete({})).get("schedule", "one-shot") == "one-shot"
    ]


def sensitivity_path(folder: RunFolder) -> Path:
    """Where the curves of the dense run in ``folder`` are kept."""
    return folder.path / "sensitivity.json"


def write_sensitivity(folder: RunFolder, found: Sensitivity) -> None:
    """Keep ``found`` in the dense run's folder."""
    write_json(sensitivity_path(folder), asdict(found))


def read_sensitivity(folder: RunFolder) -> Sensitivity | None:
    """What is kept in the dense run's folder; None if there is nothing, or it is damaged or another run's."""
    try:
        data = json.loads(sensitivity_path(folder).read_bytes())
        found = _checked(data)
    except (OSError, ValueError, TypeError, RecursionError):  # InputError is a ValueError
        return None
    return found if found.run_id == folder.run_id else None


def _checked(data: Any) -> Sensitivity:
    top = check_keys("sensitivity", data, [field.name for field in fields(Sensitivity)])
    for name in ("run_id", "model", "data", "precision"):
        if not isinstance(top[name], str):
            raise invalid_value(name, top[name], Message("a text"))
    check_int("test_pictures", top["test_pictures"], 1, 10**9)
    check_int("pictures", top["pictures"], 1, top["test_pictures"])
    curves = []
    for curve in top["curves"]:
        part = check_keys("curve", curve, [field.name for field in fields(Curve)])
        if not isinstance(part["settings"], dict):
            raise InputError("A curve's settings are not an object.")
        curves.append(Curve(part["method"], part["settings"], tuple(part["sparsity"]), tuple(part["accuracy"])))
    return Sensitivity(**{**top, "curves": tuple(curves)})
