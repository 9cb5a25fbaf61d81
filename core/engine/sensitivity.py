"""Measure a dense run's sensitivity curves. Each point is cached, so that an interrupted measurement can be resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from core.engine.context import RunContext, recorded_origin
from core.engine.data.augment import sample_indices
from core.engine.device import recognise_unusable_device
from core.engine.disk_cache import cached
from core.engine.pruning import prune
from core.runs.folder import RunFolder
from core.runs.sensitivity import SPARSITIES, Curve, Sensitivity, one_shot_methods, read_sensitivity, write_sensitivity
from core.spec.method import Method, Scalar
from core.spec.methods import legacy_settings
from core.spec.settings import BEST_REPAIR, NO_REPAIR

MAX_IMAGES = 2_000
VERSION = 1  # of the cached points: raise it when pruning or evaluation comes to give other numbers for the same inputs


@recognise_unusable_device()
def measure_sensitivity(
    path: Path, seconds: float = math.inf, report: Callable[[str], None] = lambda line: None
) -> bool:
    """Measure what is missing of the curves of the finished dense run in the folder ``path`` and write them there.

    False if ``seconds`` were over before all was measured: call again to go on. ``report`` gets a line for each method that
    is done. InputError if the run's network is damaged or the images are gone or have changed; DeviceUnusableError.
    """
    deadline = time.monotonic() + seconds
    folder = RunFolder(path)
    digest = folder.check_model()
    if _is_current(folder, digest):
        return True
    points = _Points(RunContext(folder), digest)
    methods = {method: dict(method.complete({})) for method in one_shot_methods()}
    lines: dict[str, list[tuple[float, ...]]] = {method.name: [] for method in methods}
    for repair in (NO_REPAIR, BEST_REPAIR):  # which takes several times as long: what needs none is shown before
        for method, settings in methods.items():
            line = []
            for sparsity in SPARSITIES:
                if points.measured and time.monotonic() > deadline:  # at least one in a call, or it would never end
                    return False
                line.append(points.accuracy(method, settings, sparsity, repair))
            lines[method.name].append(tuple(line))
            report(f"{folder.run_id}: {method.label}, repair {repair}: {len(SPARSITIES)} sparsities measured")
        curves = (Curve(method.name, settings, SPARSITIES, *lines[method.name]) for method, settings in methods.items())
        record = points.record(tuple(curves))
        if read_sensitivity(folder) != record:
            write_sensitivity(folder, record)
    return True


def _is_current(folder: RunFolder, digest: str) -> bool:
    record = read_sensitivity(folder)
    expected = [(method.name, dict(method.complete({})), SPARSITIES) for method in one_shot_methods()]
    return (
        record is not None
        and record.model == digest
        and recorded_origin(folder).data in (None, record.data)
        and [(c.method, {**legacy_settings(c.method), **c.settings}, c.sparsity) for c in record.curves] == expected
        and all(curve.repaired is not None for curve in record.curves)
    )


class _Points:
    """Measures single points of the curves of one dense run, unless they are in the cache."""

    def __init__(self, context: RunContext, digest: str) -> None:
        context.check_origin(context.folder)
        self._context, self._digest = context, digest
        self._dense = context.load(context.folder)
        test = context.data.test
        self._images = context.on_device(test.select(sample_indices(len(test), MAX_IMAGES, seed=0)))
        self.measured = 0  # points that were not in the cache

    def accuracy(self, method: Method, settings: Mapping[str, Scalar], sparsity: float, repair: str) -> float:
        """Accuracy in percent right after pruning and ``repair``."""
        context = self._context
        key = {
            "model": self._digest,
            "data": context.data.fingerprint,
            "method": method.name,
            "settings": {**settings, "repair": repair},
            "sparsity": sparsity,
            "pictures": len(self._images),
            "precision": context.precision,
            "version": VERSION,
        }
        return cached(
            context.home.cache / "sensitivity", key, lambda: self._measure(method, settings, sparsity, repair)
        )

    def record(self, curves: tuple[Curve, ...]) -> Sensitivity:
        """``curves`` with all that they were measured on."""
        context = self._context
        return Sensitivity(
            run_id=context.folder.run_id,
            model=self._digest,
            data=context.data.fingerprint,
            precision=context.precision,
            pictures=len(self._images),
            test_pictures=len(context.data.test),
            curves=curves,
        )

    def _measure(self, method: Method, settings: Mapping[str, Scalar], sparsity: float, repair: str) -> float:
        context = self._context
        self.measured += 1
        with context.measurement_lock.training():  # like training, it would disturb a run that is being timed
            pruned = prune(method.name, self._dense, sparsity, context.pruning_context(settings))
            model = context.repair(method, repair, self._dense, pruned).model
            return round(context.evaluate(model, self._images).accuracy, 3)
