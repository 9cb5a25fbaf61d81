"""Execute one run: take its lease, go on from its newest checkpoint, train, measure, commit. Safe to call again."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.engine.artifact import load_model, save_model
from core.engine.checkpoint import drop_checkpoints, load_checkpoint, save_checkpoint
from core.engine.data import Dataset, load_dataset
from core.engine.data.augment import DevicePictures
from core.engine.device import choose_device, environment, place, resolve_precision
from core.engine.evaluate import Evaluation, evaluate
from core.engine.models.resnet import ResNet, resnet18
from core.engine.pruning import prune
from core.engine.pruning.base import Context, Pruned
from core.engine.result import Trained, build_result, prune_summary
from core.engine.train import MaskKeeper, make_optimizer, steps_per_epoch, train_epoch
from core.study.checks import InputError
from core.study.files import sha256
from core.study.lease import Lease, LeaseLostError
from core.study.methods import REWIND_EPOCHS
from core.study.record import Home, RunFolder, State
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
    origin: dict[str, str]  # hashes of what the run starts from: a checkpoint of another origin is of no use
    looked: float = 0.0  # when look() last did something
    earlier_seconds: float = 0.0  # training time of earlier attempts, which this one goes on from

    def evaluate(self, model: ResNet) -> Evaluation:
        return evaluate(model, self.test, len(self.data.classes), self.precision)

    def look(self, progress: Callable[[], dict[str, Any]]) -> None:
        """Once a second: stop if asked to or overtaken, and report progress."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        _stop_if_cancelled(self.folder)
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


def execute(path: Path) -> State:
    """Bring the run in the folder ``path`` to its end and say which that was.

    Whatever goes wrong with the run is recorded in the folder: a reason in the journal, details in the log.
    LeaseHeldError if another process is executing it; KeyboardInterrupt passes through, and the run can go on later.
    """
    folder = RunFolder(path)
    if folder.state() == State.DONE:
        return State.DONE
    with Lease(path) as lease:
        try:
            if folder.state() != State.DONE:  # somebody else may have finished it before the lease was ours
                result = _run(folder, lease)
                lease.check()
                folder.commit(result)
                folder.append("done", test_accuracy=result["test_accuracy"])
            drop_checkpoints(path)
        except CancelledError:
            folder.append("cancelled")
            return State.CANCELLED
        except LeaseLostError:
            return State.INTERRUPTED  # the later attempt writes from here on
        except Exception as error:
            with suppress(OSError):
                with folder.log_path.open("a") as log:
                    log.write(traceback.format_exc())
                folder.append("failed", reason=reason_of(error, folder))
            return State.FAILED
    return State.DONE


def reason_of(error: Exception, folder: RunFolder) -> str:
    """``error`` as one sentence for the person whose run it ended."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError):
        batch = folder.spec.recipe.train.batch_size
        return f"Out of GPU memory at batch size {batch}: choose a smaller one, such as {max(2, batch // 2)}."
    if isinstance(error, MemoryError):
        return "Out of memory: close other programs, or choose a thinner network or a smaller batch size."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full: free some space, then retry; the run goes on from its last checkpoint."
    first = (str(error).splitlines() or [""])[0][:200]
    return f"Unexpected {type(error).__name__}: {first} (details in {folder.log_path.name})"


def _run(folder: RunFolder, lease: Lease) -> dict[str, Any]:
    began = time.monotonic()
    _stop_if_cancelled(folder)
    spec = folder.spec
    home = Home(folder.path.parent.parent)
    device = choose_device()
    precision = resolve_precision(spec.recipe.precision, device)
    surroundings = environment(device, spec.recipe.precision)
    folder.append("started", attempt=lease.attempt, **surroundings)

    def report(message: str, fraction: float) -> None:
        _stop_if_cancelled(folder)
        folder.report_progress(phase=f"{message} ({fraction:.0%})", fraction=0.0)

    data = load_dataset(spec.recipe.data, home, report)
    train = DevicePictures(data.train, data.mean, data.std, device)
    test = DevicePictures(data.test, data.mean, data.std, device)
    origin = {"data": data.fingerprint}
    job = Job(folder, spec, lease, device, precision, data, train, test, origin)
    result = (_run_dense if spec.is_dense else _run_pruned)(job)
    return {
        **result,
        "origin": job.origin,
        "train_pictures": len(job.train),
        "wall_seconds": round(job.earlier_seconds + time.monotonic() - began, 2),
        "environment": surroundings,
    }


def _run_dense(job: Job) -> dict[str, Any]:
    model = resnet18(job.spec.recipe.width, len(job.data.classes), seed=job.spec.seed)
    trained = _train(job, Pruned(model), job.spec.recipe.train, phase="train", keep=REWIND_EPOCHS)
    return _measure(job, trained, dense=trained.model)


def _run_pruned(job: Job) -> dict[str, Any]:
    source = RunFolder(job.folder.path.with_name(job.spec.dense.run_id))
    dense_result = source.result()
    if dense_result is None:
        raise InputError(f"The dense run {source.run_id} is not finished: run it first, or retry to run both.")
    if dense_result.get("origin", job.origin) != job.origin:
        raise InputError(
            f"The pictures have changed since the dense run {source.run_id} was trained: put them back, or give the new "
            "ones a folder of their own."
        )
    job.origin["dense"] = sha256(source.model_path)
    dense = place(load_model(source.model_path), job.device)

    def weights_at(epoch: int) -> dict[str, torch.Tensor]:
        return load_model(_weights_path(source, epoch), job.device).state_dict()

    context = Context(job.spec.seed, dict(job.spec.settings), weights_at)
    pruned = prune(job.spec.method, dense, job.spec.sparsity, context)
    place(pruned.model, job.device)
    before = job.evaluate(pruned.model)
    job.folder.append("pruned", test_accuracy=round(before.accuracy, 3), **prune_summary(pruned.model, dense))
    # A stream of its own: fine-tuning must not repeat the order and augmentation of the dense training.
    stream = job.spec.recipe.train.epochs
    trained = _train(job, pruned, job.spec.retrain, phase="finetune", stream=stream, before=before)
    return _measure(job, trained, dense=dense)


def _train(
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
        seconds += stats.seconds
        final = job.evaluate(model)
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
    if checkpoint.state["origin"] != job.origin:
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
        save_model(model, _weights_path(job.folder, epoch))


def _weights_path(folder: RunFolder, epoch: int) -> Path:
    return folder.path / f"weights-{epoch:04d}.safetensors"


def _measure(job: Job, trained: Trained, *, dense: ResNet) -> dict[str, Any]:
    """Write the compressed model, and measure what was really written."""
    _stop_if_cancelled(job.folder)
    job.folder.report_progress(phase="measure", fraction=1.0)
    job.lease.check()
    notes = {  # what somebody who only has the file needs to classify a picture
        "run_id": job.spec.run_id,
        "classes": ",".join(job.data.classes),
        "mean": ",".join(map(str, job.data.mean)),
        "std": ",".join(map(str, job.data.std)),
    }
    save_model(trained.model, job.folder.model_path, notes=notes)
    return build_result(job.spec, trained, dense, job.folder.model_path)


def _stop_if_cancelled(folder: RunFolder) -> None:
    if folder.cancel_requested:
        raise CancelledError
