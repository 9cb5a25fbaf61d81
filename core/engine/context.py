"""One execution of a run, and the training in it: from wherever an earlier attempt left off to the end of the schedule."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from core.engine.artifact import save_model
from core.engine.checkpoint import drop_checkpoints, load_checkpoint, save_checkpoint
from core.engine.data.augment import DeviceImages, sample_indices
from core.engine.data.pictures import Dataset
from core.engine.evaluate import Evaluation, evaluate
from core.engine.measurement_lock import MeasurementLock
from core.engine.networks.resnet18 import ResNet
from core.engine.result import Trained, prune_summary
from core.engine.step import EAGER, steps_per_epoch
from core.engine.train import train_epoch
from core.engine.training_state import Prune, TrainingState
from core.runs.atomic_io import clear_path
from core.runs.folder import RunFolder
from core.runs.lease import Lease
from core.spec.spec import RunSpec
from core.spec.training_plan import TrainingPlan

POLL_SECONDS = 1.0  # how often a running step loop looks for a request to cancel and reports its progress
CHECKPOINT_SECONDS = 15.0


class CancelledError(Exception):
    """A person asked the run to stop."""


@dataclass
class RunContext:
    """What the parts of an execution share."""

    folder: RunFolder
    spec: RunSpec
    lease: Lease
    device: torch.device
    precision: str
    data: Dataset
    train: DeviceImages
    test: DeviceImages
    quiet: MeasurementLock
    origin: dict[str, str]  # hashes of what the run starts from: a checkpoint of another origin is of no use
    looked: float = 0.0  # when look() last did something
    training_lock: IO[str] | None = None
    earlier_seconds: float = 0.0  # training time of earlier attempts, which this one goes on from

    def evaluate(self, model: ResNet) -> Evaluation:
        return evaluate(model, self.test, len(self.data.classes), self.precision)

    def sample(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``n`` training pictures, normalised and not augmented, with their labels, drawn by the run's seed."""
        return self.train.pick(sample_indices(len(self.train), n, self.spec.seed))

    @contextmanager
    def training(self) -> Iterator[None]:
        """Inside, :meth:`look` pauses while another run on this machine is being timed."""
        with self.quiet.training() as lock:
            self.training_lock = lock
            try:
                yield
            finally:
                self.training_lock = None

    def look(self, progress: Callable[[], dict[str, Any]]) -> None:
        """Once a second: stop if asked to or overtaken, make way for a run being timed, and report progress."""
        now = time.monotonic()
        if now - self.looked < POLL_SECONDS:
            return
        self.looked = now
        stop_if_cancelled(self.folder)
        if self.training_lock:
            self.quiet.yield_to_measurement(self.training_lock)
        self.lease.check()
        self.folder.report_progress(**progress())


@dataclass(frozen=True, slots=True)
class EtaEstimator:
    """How fast this attempt has been so far: it began at ``began`` (monotonic), with ``before`` of ``epochs`` done."""

    epochs: int
    before: int
    began: float

    def seconds_left(self, done: float) -> float | None:
        """Seconds until all epochs are done, now that ``done`` are; None before there is anything to go by."""
        if done <= self.before:
            return None
        return (time.monotonic() - self.began) * (self.epochs - done) / (done - self.before)


def train(
    job: RunContext,
    start: ResNet,
    plan: TrainingPlan,
    *,
    phase: str,
    stream: int = 0,
    keep: tuple[int, ...] = (),
    prune: Prune | None = None,
) -> Trained:
    """Train a copy of ``start`` for all of ``plan``, which says when to ``prune`` it, from the newest checkpoint on.
    ``keep``: epochs to keep the weights of."""
    trainee = TrainingState(start, plan, steps_per_epoch(len(job.train), plan.schedule.batch_size), job.device, prune)
    _resume(job, trainee)
    if not trainee.done:
        _save_weights(job, trainee.model, 0, keep)
    final: Evaluation | None = None
    how = EAGER
    pace, saved = EtaEstimator(plan.epochs, trainee.done, time.monotonic()), time.monotonic()
    for epoch in range(trainee.done, plan.epochs):
        trainee.start_epoch(epoch)
        _record_pruned(job, trainee, start)
        with job.training():
            step = trainee.stepper(job.train, job.precision)
            stats = train_epoch(
                step,
                plan=plan,
                seed=job.spec.seed,
                epoch=epoch,
                stream=stream,
                on_step=_on_step(job, trainee, pace, phase, epoch),
            )
            final = job.evaluate(trainee.model)
        _record_pruned(job, trainee, start)  # of a cut inside the epoch: to time it, training has to rest
        trainee.seconds += stats.seconds
        how = step.how
        _save_weights(job, trainee.model, epoch + 1, keep)
        if time.monotonic() - saved > CHECKPOINT_SECONDS or epoch + 1 == plan.epochs:
            save_checkpoint(job.folder.path, epoch + 1, {**trainee.state(), "origin": job.origin}, job.lease)
            saved = time.monotonic()
        job.folder.append(
            "epoch",
            phase=phase,
            epoch=epoch + 1,
            epochs=plan.epochs,
            loss=round(stats.loss, 5),
            train_accuracy=round(stats.accuracy, 3),
            test_accuracy=round(final.accuracy, 3),
            images_per_second=round(stats.images_per_second, 1),
            seconds=round(stats.seconds, 2),
        )
    # After a crash between the last epoch and the result nothing is left to train.
    final = final or job.evaluate(trainee.model)
    batch = min(plan.schedule.batch_size, len(job.train))
    images = plan.epochs * steps_per_epoch(len(job.train), batch) * batch
    return Trained(trainee.model, final, trainee.before or final, trainee.seconds, images / trainee.seconds, how)


def _record_pruned(job: RunContext, trainee: TrainingState, dense: ResNet) -> None:
    """If the last cut was just made: how good, large and fast the network was right after it."""
    pruned = trainee.pop_pruned()
    if pruned is None:
        return
    trainee.before = job.evaluate(pruned)
    with job.quiet.timing():
        summary = prune_summary(pruned, dense)
    job.folder.append("pruned", test_accuracy=round(trainee.before.accuracy, 3), **summary)


def _on_step(
    job: RunContext, trainee: TrainingState, pace: EtaEstimator, phase: str, epoch: int
) -> Callable[[int, int], None]:
    def on_step(step: int, steps: int) -> None:
        def progress() -> dict[str, Any]:
            done = epoch + step / steps
            known = {"fraction": done / pace.epochs, "seconds_left": pace.seconds_left(done)}
            return {"phase": phase, "epoch": epoch + 1, "epochs": pace.epochs, **known}

        job.look(progress)
        trainee.start_step(epoch, step)

    return on_step


def _resume(job: RunContext, trainee: TrainingState) -> None:
    """Put ``trainee`` where the newest checkpoint left it."""
    checkpoint, damaged = load_checkpoint(job.folder.path)
    for name in damaged:
        job.folder.append("checkpoint_damaged", name=name)
    if checkpoint is None:
        return
    if checkpoint.state.get("origin") != job.origin or "masks" not in checkpoint.state:
        drop_checkpoints(job.folder.path)
        job.folder.append("started_over", reason="origin_changed")
        return
    trainee.load(checkpoint.state, checkpoint.epoch)
    job.folder.append("resumed", epoch=checkpoint.epoch)
    job.earlier_seconds = trainee.seconds


def _save_weights(job: RunContext, model: ResNet, epoch: int, keep: tuple[int, ...]) -> None:
    if epoch in keep:
        job.lease.check()
        path = weights_path(job.folder, epoch)
        clear_path(path)
        save_model(model, path)


def weights_path(folder: RunFolder, epoch: int) -> Path:
    return folder.path / f"weights-{epoch:04d}.safetensors"


def stop_if_cancelled(folder: RunFolder) -> None:
    if folder.cancel_requested:
        raise CancelledError
