"""One execution of a run, and the training in it: from wherever an earlier attempt left off to the end of the schedule."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from core.engine.artifact import save_model
from core.engine.checkpoint import drop_checkpoints, load_checkpoint, save_checkpoint
from core.engine.data import Dataset
from core.engine.data.augment import DevicePictures
from core.engine.device import place
from core.engine.evaluate import Evaluation, evaluate
from core.engine.models.resnet import ResNet
from core.engine.pruning.base import Pruned
from core.engine.quiet import Quiet
from core.engine.result import Trained
from core.engine.train import MaskKeeper, make_optimizer, steps_per_epoch, train_epoch
from core.study.lease import Lease
from core.study.record import RunFolder
from core.study.spec import RunSpec, Schedule

LOOK_SECONDS = 1.0  # how often a running step loop looks for a request to cancel and reports its progress
CHECKPOINT_SECONDS = 15.0


class CancelledError(Exception):
    """A person asked the run to stop."""


@dataclass
class Job:
    """What the parts of an execution share."""

    folder: RunFolder
    spec: RunSpec
    lease: Lease
    device: torch.device
    precision: str
    data: Dataset
    train: DevicePictures
    test: DevicePictures
    quiet: Quiet
    origin: dict[str, str]  # hashes of what the run starts from: a checkpoint of another origin is of no use
    looked: float = 0.0  # when look() last did something
    training_lock: IO[str] | None = None
    earlier_seconds: float = 0.0  # training time of earlier attempts, which this one goes on from

    def evaluate(self, model: ResNet) -> Evaluation:
        return evaluate(model, self.test, len(self.data.classes), self.precision)

    def sample(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``n`` training pictures, normalised and not augmented, with their labels, drawn by the run's seed."""
        chosen = np.random.default_rng(self.spec.seed).permutation(len(self.train))[:n]
        return self.train.pick(torch.from_numpy(np.sort(chosen)))

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
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        stop_if_cancelled(self.folder)
        if self.training_lock:
            self.quiet.make_way(self.training_lock)
        self.lease.check()
        self.folder.report_progress(**progress())


@dataclass(frozen=True, slots=True)
class Pace:
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
    job: Job,
    start: Pruned,
    schedule: Schedule,
    *,
    phase: str,
    stream: int = 0,
    keep: tuple[int, ...] = (),
    before: Evaluation | None = None,
) -> Trained:
    """Train ``start`` for all of ``schedule``, from the newest checkpoint on; ``keep``: epochs to keep the weights of."""
    model = place(start.model, job.device)
    optimizer = make_optimizer(model, schedule)
    keeper = MaskKeeper(model, start.masks)
    seconds, done = _resume(job, model, optimizer)
    keeper.apply()
    if not done:
        _keep_weights(job, model, 0, keep)
    final: Evaluation | None = None
    pace, saved = Pace(schedule.epochs, done, time.monotonic()), time.monotonic()
    for epoch in range(done, schedule.epochs):
        with job.training():
            stats = train_epoch(
                model,
                optimizer,
                job.train,
                schedule=schedule,
                seed=job.spec.seed,
                epoch=epoch,
                keeper=keeper,
                precision=job.precision,
                stream=stream,
                on_step=_reporter(job, pace, phase, epoch),
            )
            final = job.evaluate(model)
        seconds += stats.seconds
        _keep_weights(job, model, epoch + 1, keep)
        if time.monotonic() - saved > CHECKPOINT_SECONDS or epoch + 1 == schedule.epochs:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "seconds": seconds}
            state["origin"] = job.origin
            save_checkpoint(job.folder.path, epoch + 1, state, job.lease)
            saved = time.monotonic()
        job.folder.append(
            "epoch",
            phase=phase,
            epoch=epoch + 1,
            epochs=schedule.epochs,
            loss=round(stats.loss, 5),
            train_accuracy=round(stats.accuracy, 3),
            test_accuracy=round(final.accuracy, 3),
            images_per_second=round(stats.images_per_second, 1),
            seconds=round(stats.seconds, 2),
        )
    final = final or job.evaluate(model)  # after a crash between the last epoch and the result nothing is left to train
    batch = min(schedule.batch_size, len(job.train))
    images = schedule.epochs * steps_per_epoch(len(job.train), batch) * batch
    return Trained(model, final, before or final, seconds, images / seconds)


def _reporter(job: Job, pace: Pace, phase: str, epoch: int) -> Callable[[int, int], None]:
    def on_step(step: int, steps: int) -> None:
        def progress() -> dict[str, Any]:
            done = epoch + step / steps
            known = {"fraction": done / pace.epochs, "seconds_left": pace.seconds_left(done)}
            return {"phase": phase, "epoch": epoch + 1, "epochs": pace.epochs, **known}

        job.look(progress)

    return on_step


def _resume(job: Job, model: ResNet, optimizer: torch.optim.SGD) -> tuple[float, int]:
    """Put model and optimizer where the newest checkpoint left them; seconds trained and epochs done by then."""
    checkpoint, damaged = load_checkpoint(job.folder.path)
    for name in damaged:
        job.folder.append("checkpoint_damaged", name=name)
    if checkpoint is None:
        return 0.0, 0
    if checkpoint.state.get("origin") != job.origin:
        drop_checkpoints(job.folder.path)
        job.folder.append("started_over", reason="the pictures or the dense network are not those it began with")
        return 0.0, 0
    model.load_state_dict(checkpoint.state["model"])
    optimizer.load_state_dict(checkpoint.state["optimizer"])
    job.folder.append("resumed", epoch=checkpoint.epoch)
    job.earlier_seconds = float(checkpoint.state["seconds"])
    return job.earlier_seconds, checkpoint.epoch


def _keep_weights(job: Job, model: ResNet, epoch: int, keep: tuple[int, ...]) -> None:
    if epoch in keep:
        job.lease.check()
        save_model(model, weights_path(job.folder, epoch))


def weights_path(folder: RunFolder, epoch: int) -> Path:
    return folder.path / f"weights-{epoch:04d}.safetensors"


def stop_if_cancelled(folder: RunFolder) -> None:
    if folder.cancel_requested:
        raise CancelledError
