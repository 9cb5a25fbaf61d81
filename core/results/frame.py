"""Every finished run as a row, and the studies that they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from operator import attrgetter

import pandas as pd

from core.results.metrics import INT8_METRICS, METRICS, measured_metrics
from core.results.row_cache import CachedRows, Row, load_rows, save_rows
from core.results.speed import (
    FLOAT32,
    HALF_WIDTHS,
    INT8,
    SPEEDUPS,
    as_int8,
    half_width_of,
    with_latencies,
    with_speed,
)
from core.runs.atomic_io import modified
from core.runs.chance import is_at_chance
from core.runs.folder import Home, RunFolder
from core.runs.int8 import Int8Result, read_int8
from core.runs.latencies import Latencies, read_all_latencies
from core.runs.polling import MANY, Signature, ThrottledReader, signature
from core.runs.result import RunResult, Speedup
from core.spec.datasets import GIVEN
from core.spec.errors import InputError
from core.spec.methods import DENSE
from core.spec.spec import Recipe

# Columns that say which run a row is of, and the attribute of its RunSpec that each has.
IDENTITY = {
    "run_id": "run_id",
    "recipe": "recipe.key",  # rows are comparable only within one
    "recipe_label": "recipe.label",
    "dense_id": "dense.run_id",  # the dense run that this run started from (its own id, for a dense run)
    "data": "recipe.data",
    "network": "recipe.network",
    "width": "recipe.width",
    "method": "method",
    "variant": "variant",  # the method with its settings, as a label: the same in every language
    "sparsity": "sparsity",  # as requested
    "seed": "seed",
}
NOTES = (
    "device",
    "train_seconds",
    "epochs",  # of this training: of a pruned run, after the first cut
    "finished",  # UTC, ISO 8601
    "shape",  # digest of the layers' shapes: networks of one shape execute the same operations
    "dead_layers",  # names of the layers that lost all their weights, a space between
    "at_chance",  # whether the network does no better than guessing
)
# What pages make sentences from; not for files.
OBJECTS = (
    "settings",  # of the method, as in RunSpec
    "recipe_spec",  # the Recipe
    "test_split",  # GIVEN or BY_NAME
)


def columns() -> list[str]:
    """The columns of a run in files: what it is, its metrics, and notes."""
    return [*IDENTITY, *measured_metrics(), *NOTES]


class Results:
    """The finished runs under a home, read again only where a file has changed. Safe to share between threads."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._known: CachedRows | None = None
        self._timed: Signature = ()
        self._frame = _frame([], {})
        self._reader = ThrottledReader(self._read)

    def frame(self) -> pd.DataFrame:
        """One row a finished run, with columns() and OBJECTS; a damaged run has none. InputError if the home cannot be read.
        Where there are hundreds of runs it may be a moment old, two seconds at most."""
        return self._reader.get().copy(deep=False)  # the caller's to change: pandas copies what is written to

    def invalidate(self) -> None:
        """Let the next frame be read anew: runs were just deleted, or brought back."""
        self._reader.invalidate()

    def _read(self) -> tuple[pd.DataFrame, int]:
        folders, current, changed = self.home.runs(), CachedRows(), 0
        first = self._known is None
        known = load_rows(self.home.cache, {*columns(), *OBJECTS, *HALF_WIDTHS}) if self._known is None else self._known
        for folder in folders:
            files = signature(folder.path, ("result.json", "spec.json", "int8.json"))
            if -1 in files[:2]:  # one is missing
                continue
            entry = known.get(folder.run_id)
            if entry is None or entry[0] != files:
                entry, changed = (files, _row(folder)), changed + 1
            current[folder.run_id] = entry
        if changed >= MANY:  # fewer are read in a moment
            save_rows(self.home.cache, current)
        timed = signature(self.home.latencies, ("",))  # each record there is replaced by another file
        if first or changed or len(current) != len(known) or timed != self._timed:
            rows = [row for _, row in current.values() if row is not None]
            self._frame = _frame(rows, read_all_latencies(self.home))
        self._known, self._timed = current, timed
        return self._frame, len(folders)


def studies(frame: pd.DataFrame, name: Callable[[Recipe], str] = lambda recipe: recipe.label) -> dict[str, str]:
    """The recipes there are results of, the one with the newest result first: key to what ``name`` calls it. A dense run
    that another recipe's pruned runs start from is part of that recipe and not listed by itself."""
    is_dense = frame["method"] == DENSE
    part = is_dense & frame["run_id"].isin(frame.loc[~is_dense, "dense_id"].unique())
    rows = frame.loc[~part, ["recipe", "recipe_spec", "finished"]]
    newest = rows.groupby("recipe", sort=False).agg({"recipe_spec": "first", "finished": "max"})
    newest = newest.sort_values("finished", ascending=False, kind="stable")
    labels = {str(key): name(recipe) for key, recipe in newest["recipe_spec"].items()}
    uses = Counter(labels.values())
    return {key: label if uses[label] == 1 else f"{label} · {key[:4]}" for key, label in labels.items()}


def study_frame(frame: pd.DataFrame, recipe: str, precision: str = FLOAT32) -> pd.DataFrame:
    """The rows of one recipe together with the dense runs that they start from, and the metrics against dense, which is in
    float32. ``precision``, one of PRECISIONS: of the networks that are compared."""
    own = frame[frame["recipe"] == recipe]
    study = frame[frame["run_id"].isin({*own["run_id"], *own["dense_id"]})].reset_index(drop=True)
    whole = study[study["method"] == DENSE].set_index("run_id")
    if precision == INT8:
        study = as_int8(study).reset_index(drop=True)
    dense = whole.reindex(study["dense_id"]).reset_index(drop=True)
    study = with_latencies(study, dense)
    for name, metric in METRICS.items():
        if metric.against_dense is not None:
            study[name] = metric.against_dense(study, dense)
    return study


def content_key(runs: pd.DataFrame) -> int:
    """What changes when anything in ``runs`` does, whatever their order: for caches of what is made of them."""
    plain = runs.drop(columns=list(OBJECTS), errors="ignore")  # they follow from the variant and the recipe's key
    return int(pd.util.hash_pandas_object(plain, index=False).sum())


def _frame(rows: list[Row], latencies: Mapping[str, Latencies]) -> pd.DataFrame:
    records = {row["recipe"]: row["recipe_spec"] for row in rows}
    recipes = {key: Recipe.from_json(record) for key, record in records.items()}
    frame = pd.DataFrame(rows, columns=[*columns(), *OBJECTS, *HALF_WIDTHS])
    frame["precision"] = FLOAT32
    frame["settings"] = pd.Series([tuple(map(tuple, row["settings"])) for row in rows], dtype=object)
    frame["recipe_spec"] = frame["recipe"].map(recipes)
    numbers = dict.fromkeys((*measured_metrics(), "sparsity", *HALF_WIDTHS), float)
    return with_speed(frame.astype({**numbers, "at_chance": bool}), latencies)


def _half_width(speedups: Mapping[str, Speedup], name: str) -> float | None:
    speedup = speedups.get(name)
    return None if speedup is None else speedup.half_width


def _read_int8(folder: RunFolder, result: RunResult) -> Int8Result | None:
    """That of the network that ``result`` is of; a damaged record is none."""
    with suppress(InputError):
        found = read_int8(folder)
        return found if found and found.is_of(result.model_sha256) else None
    return None


def _row(folder: RunFolder) -> Row | None:
    """What the frame says of a run, as JSON can keep it; None for a damaged one."""
    try:
        result, spec = folder.result(), folder.spec
        finished = datetime.fromtimestamp(modified(folder.result_path), UTC)
    except (InputError, OSError):
        return None
    if result is None:
        return None
    int8 = _read_int8(folder, result)
    speedups = {**result.speedups, **(int8.speedups if int8 else {})}
    return {
        **{name: attrgetter(attribute)(spec) for name, attribute in IDENTITY.items()},
        **{name: getattr(int8 if name in INT8_METRICS else result, name, None) for name in measured_metrics()},
        **{half_width_of(name): _half_width(speedups, name) for name in SPEEDUPS},
        "device": result.environment.hardware or "unknown",
        "test_split": result.test_split or GIVEN,
        "train_seconds": result.train_seconds,
        "epochs": result.schedule.epochs if result.schedule else spec.own_epochs,
        "finished": finished.isoformat(timespec="seconds"),
        "shape": result.shape,
        "dead_layers": " ".join(result.dead_layers),
        "at_chance": is_at_chance(result, spec.recipe.data),
        "settings": spec.settings,
        "recipe_spec": spec.recipe.to_json(),
    }
