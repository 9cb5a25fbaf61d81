"""Sensitivity curves: the accuracy of a dense run's network right after pruning, before any fine-tuning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.study.checks import InputError, keys, number, refuse, whole_number
from core.study.files import write_json
from core.study.methods import METHODS, Method, Scalar, find_method, variant_label
from core.study.record import Home, RunFolder

if TYPE_CHECKING:
    import pandas as pd

# Denser where curves are steep. The usual sparsities of a study are among them.
SPARSITIES = (
    *(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.74),
    *(0.78, 0.82, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98),
)
COLUMNS = ("dense_id", "method", "variant", "sparsity", "accuracy", "pictures")


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
            number("sparsity", value, 0, 1, below_high=True)
        for value in self.accuracy:
            number("accuracy", value, 0, 100)
        rising = all(low < high for low, high in pairwise(self.sparsity))
        if len(self.sparsity) != len(self.accuracy) or not self.sparsity or not rising:
            raise refuse("sparsity", self.sparsity, "rising values, as many as there are accuracies")


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


def sensitivity_frame(home: Home, dense_ids: Iterable[str]) -> pd.DataFrame:
    """One row a point of each curve of these dense runs, with COLUMNS; a run without curves has none."""
    import pandas as pd  # noqa: PLC0415 - slow, and the queue only asks whether there are curves

    rows = []
    for dense_id in dense_ids:
        found = read_sensitivity(home.run(dense_id))
        for curve in found.curves if found else ():
            identity = {"dense_id": dense_id, "method": curve.method, "pictures": found.pictures if found else 0}
            variant = variant_label(curve.method, curve.settings)
            for sparsity, accuracy in zip(curve.sparsity, curve.accuracy, strict=True):
                rows.append({**identity, "variant": variant, "sparsity": sparsity, "accuracy": accuracy})
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"sparsity": float, "accuracy": float})


def mean_curves(frame: pd.DataFrame) -> pd.DataFrame:
    """The mean over dense runs: one row for each variant and sparsity that all runs with a curve of it have measured;
    ``n`` is how many those are, ``pictures`` the fewest that one of them was measured on."""
    groups = frame.groupby(["method", "variant", "sparsity"], sort=False)
    means = groups.agg(accuracy=("accuracy", "mean"), pictures=("pictures", "min"), n=("dense_id", "nunique"))
    means = means.reset_index().sort_values(["variant", "sparsity"], ignore_index=True)
    runs = frame.groupby("variant")["dense_id"].nunique()
    return means[means["n"] == means["variant"].map(runs)].reset_index(drop=True)


def accuracy_at(curves: pd.DataFrame, sparsity: float) -> dict[str, float]:
    """For each variant in ``curves``, one row a sparsity, the accuracy (percent) on the line through its points; nothing
    for a variant that was not measured so far."""
    import numpy as np  # noqa: PLC0415 - as above

    found = {}
    for variant, curve in curves.groupby("variant", sort=False):
        x = curve["sparsity"].to_numpy()
        if x[0] <= sparsity <= x[-1]:
            found[str(variant)] = float(np.interp(sparsity, x, curve["accuracy"].to_numpy()))
    return found


def _checked(data: Any) -> Sensitivity:
    top = keys("sensitivity", data, [field.name for field in fields(Sensitivity)])
    for name in ("run_id", "model", "data", "precision"):
        if not isinstance(top[name], str):
            raise refuse(name, top[name], "a text")
    whole_number("test_pictures", top["test_pictures"], 1, 10**9)
    whole_number("pictures", top["pictures"], 1, top["test_pictures"])
    curves = []
    for curve in top["curves"]:
        part = keys("curve", curve, [field.name for field in fields(Curve)])
        if not isinstance(part["settings"], dict):
            raise InputError("A curve's settings are not an object.")
        curves.append(Curve(part["method"], part["settings"], tuple(part["sparsity"]), tuple(part["accuracy"])))
    return Sensitivity(**{**top, "curves": tuple(curves)})
