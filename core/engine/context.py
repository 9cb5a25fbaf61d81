"""What computing with a run needs (:class:`RunContext`), and one attempt to execute it (:class:`Attempt`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from core.engine.data import load_dataset
from core.engine.data.augment import DeviceImages, sample_indices
from core.engine.data.images import Dataset, Images, Report
from core.engine.device import choose_device, place, resolve_precision, without_tf32
from core.engine.evaluate import Evaluation, evaluate
from core.engine.measurement_lock import MeasurementLock, measurement_lock
from core.engine.networks.of_recipe import fresh_network, load_network
from core.engine.pruning.base import Context, Pruned
from core.engine.recovery.repair import PICTURES, Repaired, outputs_known, repair_best
from core.runs.folder import Home, RunFolder
from core.runs.lease import Lease
from core.runs.result import Origin
from core.spec.errors import InputError
from core.spec.method import Method, Scalar
from core.spec.settings import BEST_REPAIR, REPAIR

POLL_SECONDS = 1.0  # between two checks of a running training for requests from outside, and reports of its progress


class CancelledError(Exception):
    """A person asked the run to stop."""


class RunContext:
    """A run's folder with its data set, device and networks: what training, diagnosing and sensitivity curves start from.

    The data set is loaded on first use, with its progress to ``report``; InputError if it cannot be.
    """

    def __init__(self, folder: RunFolder, report: Report = lambda message, fraction: None) -> None:
        self.folder, self.spec, self._report = folder, folder.spec, report
        self.home = Home(folder.path.parent.parent)
        self.dense_folder = RunFolder(folder.path.with_name(self.spec.dense.run_id))  # of a dense run its own
        self.device = choose_device()
        self.precision = resolve_precision(self.spec.recipe.precision, self.device)

    @cached_property
    def measurement_lock(self) -> MeasurementLock:
        return measurement_lock(self.home.cache, self.device)

    @cached_property
    def data(self) -> Dataset:
        return load_dataset(self.spec.recipe.data, self.home, self._report, size=self.spec.recipe.size)

    @cached_property
    def train_images(self) -> DeviceImages:
        return self.on_device(self.data.train)

    @cached_property
    def test_images(self) -> DeviceImages:
        return self.on_device(self.data.test)

    @cached_property
    def origin(self) -> dict[str, str]:
        """Hashes of the images and of the dense network that the run starts from: a checkpoint of others is of no use."""
        data = {"data": self.data.fingerprint}
        return data if self.spec.is_dense else {**data, "dense": self.dense_folder.check_model()}

    def check_origin(self, folder: RunFolder) -> None:
        """InputError if the finished run in ``folder`` started from other images or another dense network than now."""
        recorded = recorded_origin(folder)
        if recorded.data not in (None, self.data.fingerprint):
            raise InputError(
                "The pictures have changed since {run} was trained: put them back, or give the new ones a folder of "
                "their own.",
                run=folder.run_id,
            )
        if recorded.dense not in (None, self.dense_folder.check_model() if recorded.dense else None):
            raise InputError(
                "{dense} is not the dense network any more that {run} was pruned from.",
                dense=self.dense_folder.run_id,
                run=folder.run_id,
            )

    def load(self, folder: RunFolder) -> nn.Module:
        """The network of the run in ``folder`` on the device; InputError if its file is missing or altered."""
        folder.check_model()
        return self._load(folder.model_path)

    def _load(self, path: Path) -> nn.Module:
        return place(load_network(path, self.spec.recipe, len(self.data.classes)), self.device)

    def _fresh(self, seed: int) -> nn.Module:
        return place(fresh_network(self.spec.recipe, len(self.data.classes), seed=seed), self.device)

    def on_device(self, images: Images) -> DeviceImages:
        return DeviceImages(images, self.data.mean, self.data.std, self.device)

    def sample(self, n: int) -> tuple[Tensor, Tensor]:
        """``n`` training images, normalised and not augmented (float32 [n, 3, H, W]), with their labels, drawn by the
        run's seed."""
        indices = sample_indices(len(self.data.train), n, self.spec.seed)
        return self.on_device(self.data.train.select(indices)).eval_batch(0, n)

    def pruning_context(self, settings: Mapping[str, Scalar]) -> Context:
        """What a method with ``settings`` may use in this run."""
        return Context(
            seed=self.spec.seed,
            settings=settings,
            weights_at=lambda epoch: self._load(weights_path(self.dense_folder, epoch)).state_dict(),
            sample=self.sample,
            fresh=self._fresh,
            cache=self.home.cache,
        )

    @cached_property
    def repair_images(self) -> tuple[DeviceImages, DeviceImages]:
        """Training images to repair with, and others to choose by, drawn by the run's seed."""
        indices = sample_indices(len(self.data.train), 2 * PICTURES, self.spec.seed)
        first, second = (self.on_device(self.data.train.select(indices[start::2])) for start in (0, 1))
        return first, second

    def repair(self, method: Method, how: Scalar, uncut: nn.Module, pruned: Pruned) -> Repaired:
        """What ``method`` made of ``uncut``, repaired as its setting says (``how``)."""
        setting = next((setting for setting in method.settings if setting.name == REPAIR.name), REPAIR)
        choices = [str(choice) for choice in setting.choices if choice != BEST_REPAIR]
        if not outputs_known(pruned, uncut):
            choices = [choice for choice in choices if choice in ("none", "batchnorm")]
        names = choices if how == BEST_REPAIR else [str(how)]
        images, others = self.repair_images
        pictures = images.eval_batch(0, len(images))[0].contiguous(memory_format=torch.channels_last)
        place(pruned.model, self.device)
        with without_tf32():
            return repair_best(names, pruned, uncut, pictures, lambda model: self.evaluate(model, others))

    def evaluate(self, model: nn.Module, images: DeviceImages | None = None) -> Evaluation:
        """``model`` on ``images``, by default all test images."""
        return evaluate(model, self.test_images if images is None else images, len(self.data.classes), self.precision)


class Attempt:
    """One execution of a run under its lease. It ends on request or when overtaken, and rests during measurements."""

    def __init__(self, context: RunContext, lease: Lease) -> None:
        self.context, self.lease = context, lease
        self.earlier_seconds = 0.0  # training time of earlier attempts, up to the checkpoint that this one resumed from
        self._polled = 0.0
        self._training_lock: IO[str] | None = None

    @contextmanager
    def training(self) -> Iterator[None]:
        """Inside, :meth:`poll` pauses while another run on this device is being timed."""
        with self.context.measurement_lock.training() as lock:
            self._training_lock = lock
            try:
                yield
            finally:
                self._training_lock = None

    def clock(self) -> float:
        """Seconds, of which only differences mean something; those of the pauses do not count."""
        return time.monotonic() - self.context.measurement_lock.paused_seconds

    def poll(self, progress: Callable[[], dict[str, Any]]) -> None:
        """Once a second: end if cancelled or overtaken, yield to a run being timed, and report ``progress``.

        CancelledError, LeaseLostError.
        """
        now = time.monotonic()
        if now - self._polled < POLL_SECONDS:
            return
        self._polled = now
        folder = self.context.folder
        raise_if_cancelled(folder)
        if self._training_lock:
            self.context.measurement_lock.yield_to_measurement(self._training_lock)
        self.lease.check()
        folder.report_progress(**progress())


def recorded_origin(folder: RunFolder) -> Origin:
    """The origin in the run's result; without hashes if that is missing or older than origins."""
    result = folder.result()
    return result.origin if result else Origin()


def weights_path(folder: RunFolder, epoch: int) -> Path:
    """The file with the weights of the dense run in ``folder`` after ``epoch`` epochs."""
    return folder.path / f"weights-{epoch:04d}.safetensors"


def raise_if_cancelled(folder: RunFolder) -> None:
    if folder.cancel_requested:
        raise CancelledError
