"""Execute one run: take its lease, go on from its newest checkpoint, train, measure, commit. Safe to call again."""

from __future__ import annotations

import errno
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from core.engine.artifact import load_model, save_model
from core.engine.checkpoint import drop_checkpoints
from core.engine.context import CancelledError, RunContext, stop_if_cancelled, train, weights_path
from core.engine.data import load_dataset
from core.engine.data.augment import DeviceImages
from core.engine.device import choose_device, environment, keep_freed_memory, place, resolve_precision
from core.engine.diagnose import Bench, examine
from core.engine.measurement_lock import MeasurementLock
from core.engine.networks.resnet18 import ResNet, resnet18
from core.engine.pruning import prune
from core.engine.pruning.base import Context, Masks, Pruned
from core.engine.result import Trained, build_result
from core.i18n import Message
from core.runs.atomic_io import clear_path
from core.runs.diagnostics import write_diagnostics
from core.runs.failure import FailureCode, RunFailure
from core.runs.folder import Home, RunFolder, State
from core.runs.lease import Lease, LeaseLostError
from core.runs.result import Environment, Origin, RunResult
from core.spec.errors import InputError
from core.spec.methods import REWIND_EPOCHS
from core.spec.training_plan import make_training_plan


def execute(path: Path) -> State:
    """Bring the run in the folder ``path`` to its end and say which that was.

    Whatever goes wrong with the run is recorded in the folder: a reason in the journal, details in the log.
    LeaseHeldError if another process is executing it; KeyboardInterrupt passes through, and the run can go on later.
    """
    folder = RunFolder(path)
    if folder.state() == State.DONE:
        drop_checkpoints(path)  # a kill between the result and this leaves them behind
        return State.DONE
    with Lease(path) as lease:
        try:
            if folder.state() != State.DONE:  # somebody else may have finished it before the lease was ours
                result = _run(folder, lease)
                lease.check()
                folder.commit(result)
                folder.append("done", test_accuracy=result.test_accuracy)
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
                folder.append("failed", **failure_of(error, folder).to_json())
            return State.FAILED
    return State.DONE


def out_of_memory(error: Exception) -> bool:
    """Whether ``error`` says that memory, a GPU's or the computer's, was not enough."""
    # The CPU allocator has no exception of its own.
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def failure_of(error: Exception, folder: RunFolder) -> RunFailure:
    """``error`` as the person whose run it ended wants to know it."""
    if isinstance(error, InputError):
        return RunFailure(FailureCode.INVALID_INPUT, error.message)
    if out_of_memory(error):
        batch = folder.spec.recipe.train.batch_size
        smaller = batch // 2 if batch >= 4 else None
        message = (
            Message(
                "Out of GPU memory at batch size {batch}: choose a smaller one, such as {smaller}.",
                batch=batch,
                smaller=max(2, batch // 2),
            )
            if isinstance(error, torch.OutOfMemoryError)
            else Message("Out of memory: close other programs, or choose a thinner network or a smaller batch size.")
        )
        return RunFailure(FailureCode.OUT_OF_MEMORY, message, smaller)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        message = Message("The disk is full: free some space, then retry; the run goes on from its last checkpoint.")
        return RunFailure(FailureCode.DISK_FULL, message)
    message = Message(
        "Unexpected {error}: {text} (details in {log})",
        error=type(error).__name__,
        text=(str(error).splitlines() or [""])[0][:200],
        log=folder.log_path.name,
    )
    return RunFailure(FailureCode.UNEXPECTED, message)


def _run(folder: RunFolder, lease: Lease) -> RunResult:
    began = time.monotonic()
    stop_if_cancelled(folder)
    spec = folder.spec
    home = Home(folder.path.parent.parent)
    device = choose_device()
    precision = resolve_precision(spec.recipe.precision, device)
    keep_freed_memory()
    surroundings = environment(device, spec.recipe.precision)
    folder.append("started", attempt=lease.attempt, **surroundings)

    def report(message: str, fraction: float) -> None:
        stop_if_cancelled(folder)
        folder.report_progress(phase=f"{message} ({fraction:.0%})", fraction=0.0)

    data = load_dataset(spec.recipe.data, home, report)
    job = RunContext(
        folder,
        spec,
        lease,
        device,
        precision,
        data,
        train=DeviceImages(data.train, data.mean, data.std, device),
        test=DeviceImages(data.test, data.mean, data.std, device),
        quiet=MeasurementLock(home.cache),
        origin={"data": data.fingerprint},
    )
    result = (_run_dense if spec.is_dense else _run_pruned)(job)
    return result.model_copy(
        update={
            "origin": Origin(**job.origin),
            "train_pictures": len(job.train),
            "wall_seconds": round(job.earlier_seconds + time.monotonic() - began, 2),
            "environment": Environment(**surroundings),
        }
    )


def _run_dense(job: RunContext) -> RunResult:
    model = resnet18(job.spec.recipe.width, len(job.data.classes), seed=job.spec.seed)
    trained = train(job, model, make_training_plan(job.spec), phase="train", keep=REWIND_EPOCHS)
    return _measure(job, trained, dense=trained.model)


def _run_pruned(job: RunContext) -> RunResult:
    source = RunFolder(job.folder.path.with_name(job.spec.dense.run_id))
    dense_result = source.result()
    if dense_result is None:
        raise InputError("The dense run {run} is not finished: run it first, or retry to run both.", run=source.run_id)
    if dense_result.origin.data not in (None, job.data.fingerprint):
        raise InputError(
            "The pictures have changed since the dense run {run} was trained: put them back, or give "
            "the new ones a folder of their own.",
            run=source.run_id,
        )
    job.origin["dense"] = source.check_model()
    dense = place(load_model(source.model_path), job.device)

    def weights_at(epoch: int) -> dict[str, torch.Tensor]:
        return load_model(weights_path(source, epoch), job.device).state_dict()

    context = Context(job.spec.seed, dict(job.spec.settings), weights_at, job.sample)

    def cut(model: ResNet, sparsity: float, masks: Masks) -> Pruned:
        return prune(job.spec.method, model, sparsity, replace(context, masks=masks))

    # A stream of its own: fine-tuning must not repeat the order and augmentation of the dense training.
    stream = job.spec.recipe.train.epochs
    trained = train(job, dense, make_training_plan(job.spec), phase="finetune", stream=stream, prune=cut)
    return _measure(job, trained, dense=dense)


def _measure(job: RunContext, trained: Trained, *, dense: ResNet) -> RunResult:
    """Write the compressed model, and measure what was really written."""
    stop_if_cancelled(job.folder)
    job.folder.report_progress(phase="measure", fraction=1.0)
    job.lease.check()
    notes = {  # what somebody who only has the file needs to classify a picture
        "run_id": job.spec.run_id,
        "classes": ",".join(job.data.classes),
        "mean": ",".join(map(str, job.data.mean)),
        "std": ",".join(map(str, job.data.std)),
    }
    clear_path(job.folder.model_path)
    save_model(trained.model, job.folder.model_path, notes=notes)
    with job.quiet.timing():
        result = build_result(job.spec, trained, dense, job.folder.model_path)
    with job.quiet.training():
        examination = examine(job.folder, Bench(job.data, job.test, job.device, job.precision, job.sample))
    job.lease.check()
    write_diagnostics(job.folder, examination)
    return result
