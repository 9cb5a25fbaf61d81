"""Measure a dense run's sensitivity curves. Every point is kept, so that a computation that was stopped goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from core.engine.artifact import load_model
from core.engine.context import weights_path
from core.engine.data import load_dataset
from core.engine.data.augment import DeviceImages, sample_indices
from core.engine.data.pictures import Images
from core.engine.device import choose_device, place, resolve_precision
from core.engine.disk_cache import cached
from core.engine.evaluate import evaluate
from core.engine.measurement_lock import MeasurementLock
from core.engine.pruning import prune
from core.engine.pruning.base import Context
from core.runs.folder import Home, RunFolder
from core.runs.sensitivity import SPARSITIES, Curve, Sensitivity, one_shot_methods, read_sensitivity, write_sensitivity
from core.spec.errors import InputError
from core.spec.method import Scalar

MAX_IMAGES = 2_000
VERSION = 1  # raise it when pruning or evaluation comes to give other numbers for the same inputs


def measure_sensitivity(path: Path, seconds: float = math.inf, say: Callable[[str], None] = lambda line: None) -> bool:
    """Measure what is missing of the curves of the finished dense run in the folder ``path`` and write them there.

    False if ``seconds`` were over before all was measured: call again to go on. ``say`` is told of each method that is
    done. InputError if the run's network is damaged or the pictures are gone or have changed.
    """
    ends = time.monotonic() + seconds
    folder = RunFolder(path)
    digest = folder.check_model()
    if _is_current(folder, digest):
        return True
    points = _Points(folder, digest)
    curves = []
    for method in one_shot_methods():
        settings = dict(method.complete({}))
        accuracies = []
        for sparsity in SPARSITIES:
            if points.measured and time.monotonic() > ends:  # one at least, or it would never get on
                return False
            accuracies.append(points.accuracy(method.name, settings, sparsity))
        curves.append(Curve(method.name, settings, SPARSITIES, tuple(accuracies)))
        say(f"{folder.run_id}: {method.label} before fine-tuning, {len(SPARSITIES)} sparsities measured")
    write_sensitivity(folder, points.described(tuple(curves)))
    return True


def _is_current(folder: RunFolder, digest: str) -> bool:
    found = read_sensitivity(folder)
    wanted = [(method.name, dict(method.complete({})), SPARSITIES) for method in one_shot_methods()]
    return (
        found is not None
        and (found.model, found.data) == (digest, _origin(folder))
        and [(curve.method, curve.settings, curve.sparsity) for curve in found.curves] == wanted
    )


def _origin(folder: RunFolder) -> str:
    """The fingerprint of the pictures that the run was trained on."""
    result = folder.result()
    return (result.origin.data if result else None) or ""


class _Points:
    """The network and the pictures of one dense run, and the points of its curves as far as they are known."""

    def __init__(self, folder: RunFolder, digest: str) -> None:
        spec, home = folder.spec, Home(folder.path.parent.parent)
        data = load_dataset(spec.recipe.data, home, lambda message, fraction: None)
        if data.fingerprint != _origin(folder):
            raise InputError(
                "The pictures have changed since the dense run {run} was trained: put them back.", run=folder.run_id
            )
        self._folder, self._digest, self._data = folder, digest, data
        self.measured = 0  # points that were not known before
        self._device = choose_device()
        self._precision = resolve_precision(spec.recipe.precision, self._device)
        self._quiet = MeasurementLock(home.cache)
        self._dense = place(load_model(folder.model_path), self._device)
        self._test = self._on_device(data.test, sample_indices(len(data.test), MAX_IMAGES, seed=0))
        self._known = home.cache / "sensitivity"

    def accuracy(self, method: str, settings: Mapping[str, Scalar], sparsity: float) -> float:
        """The accuracy in percent, measured only if nobody has done so before."""
        key = {
            "model": self._digest,
            "data": self._data.fingerprint,
            "method": method,
            "settings": dict(settings),
            "sparsity": sparsity,
            "pictures": len(self._test),
            "precision": self._precision,
            "version": VERSION,
        }

        return cached(self._known, key, lambda: self._measure(method, settings, sparsity))

    def described(self, curves: tuple[Curve, ...]) -> Sensitivity:
        """``curves`` with all that they were measured on."""
        return Sensitivity(
            run_id=self._folder.run_id,
            model=self._digest,
            data=self._data.fingerprint,
            precision=self._precision,
            pictures=len(self._test),
            test_pictures=len(self._data.test),
            curves=curves,
        )

    def _measure(self, method: str, settings: Mapping[str, Scalar], sparsity: float) -> float:
        context = Context(
            seed=self._folder.spec.seed,
            settings=settings,
            weights_at=lambda epoch: load_model(weights_path(self._folder, epoch), self._device).state_dict(),
            sample=self._sample,
        )
        self.measured += 1
        with self._quiet.training():  # like training, it would disturb a run that is being timed
            pruned = place(prune(method, self._dense, sparsity, context).model, self._device)
            return round(evaluate(pruned, self._test, len(self._data.classes), self._precision).accuracy, 3)

    def _sample(self, n: int) -> tuple[Tensor, Tensor]:
        """``n`` training pictures, those that a run of this seed would be given."""
        pictures = self._on_device(self._data.train, sample_indices(len(self._data.train), n, self._folder.spec.seed))
        return pictures.eval_batch(0, len(pictures))

    def _on_device(self, pictures: Images, chosen: Tensor) -> DeviceImages:
        part = Images(pictures.images[chosen], pictures.labels[chosen])
        return DeviceImages(part, self._data.mean, self._data.std, self._device)
