"""Execute one run: take its lease, resume from its newest checkpoint, train, measure, commit. Idempotent."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from torch import nn

from core.engine.artifact import save_model
from core.engine.checkpoint import drop_checkpoints
from core.engine.context import Attempt, CancelledError, RunContext, raise_if_cancelled
from core.engine.counts import macs
from core.engine.dead_channels import remove_dead_channels
from core.engine.device import device_usable, environment, keep_freed_memory, place
from core.engine.diagnose import diagnose
from core.engine.int8 import measure_int8
from core.engine.networks.of_recipe import fresh_network, imported_network, load_network
from core.engine.pruning import prune
from core.engine.pruning.base import Masks, Pruned
from core.engine.pruning.structured import predicted_share
from core.engine.recovery.distillation import Teacher
from core.engine.recovery.repair import Repaired
from core.engine.result import Trained, build_result, file_sizes
from core.engine.step import steps_per_epoch
from core.engine.train import train
from core.i18n import Message
from core.runs.atomic_io import clear_path
from core.runs.diagnostics import write_diagnostics
from core.runs.events import PREPARE
from core.runs.failure import DeviceUnusableError, FailureCode, RunFailure
from core.runs.folder import RunFolder, State
from core.runs.lease import Lease, LeaseLostError
from core.runs.result import Environment, LatencyBudget, Origin, RunResult
from core.spec.errors import InputError, first_line
from core.spec.methods import METHODS, REWIND_EPOCHS
from core.spec.settings import LATENCY_1, NO_REPAIR, REPAIR, SPARSITY, TARGET, TAUGHT, TEACHER
from core.spec.spec import COMPUTE
from core.spec.training_plan import TrainingPlan, affordable_plan, make_training_plan

GPU_MEMORY_TEXTS = ("error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


def execute(path: Path) -> State:
    """Execute the run in the folder ``path`` and return the state that it ends in.

    A failure of the run is recorded in the folder: its code and message in the journal, the traceback in the log.
    LeaseHeldError if another process is executing it; DeviceUnusableError if no other run should be executed in this
    process; KeyboardInterrupt passes through, and the run can be resumed.
    """
    folder = RunFolder(path)
    if folder.state() == State.DONE:
        drop_checkpoints(path)  # a kill between the result and this leaves them behind
        return State.DONE
    with Lease(path) as lease:
        state = _execute(folder, lease)
    if not device_usable():
        raise DeviceUnusableError
    return state


def out_of_gpu_memory(error: Exception) -> bool:
    """Whether ``error`` says that a GPU's memory was exhausted."""
    # Only PyTorch's own allocator has an exception class: CUDA and its libraries, which allocate beside it, have texts.
    return isinstance(error, torch.OutOfMemoryError) or _says(error, GPU_MEMORY_TEXTS)


def out_of_memory(error: Exception) -> bool:
    """Whether ``error`` says that a GPU's or the computer's memory was exhausted."""
    return isinstance(error, MemoryError) or _says(error, ("can't allocate memory",)) or out_of_gpu_memory(error)


def _says(error: Exception, texts: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(text in str(error) for text in texts)


def failure_of(error: Exception, folder: RunFolder) -> RunFailure:
    """``error`` as code and message, for the person whose run it ended."""
    if isinstance(error, InputError):
        return RunFailure(FailureCode.INVALID_INPUT, error.message)
    if out_of_memory(error):
        batch = folder.spec.recipe.train.batch_size
        smaller = batch // 2 if batch >= 4 else None
        message = Message("Out of memory: close other programs, or choose a thinner network or a smaller batch size.")
        if out_of_gpu_memory(error) and smaller:
            message = Message(
                "Out of GPU memory at batch size {batch}: choose a smaller one, such as {smaller}.",
                batch=batch,
                smaller=smaller,
            )
        return RunFailure(FailureCode.OUT_OF_MEMORY, message, smaller)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        message = Message("The disk is full: free some space, then retry; the run goes on from its last checkpoint.")
        return RunFailure(FailureCode.DISK_FULL, message)
    message = Message(
        "Unexpected {error}: {text} (details in {log})",
        error=type(error).__name__,
        text=first_line(error),
        log=folder.log_path.name,
    )
    return RunFailure(FailureCode.UNEXPECTED, message)


def _execute(folder: RunFolder, lease: Lease) -> State:
    try:
        if folder.state() != State.DONE:  # somebody else may have finished it before the lease was ours
            result = _run(folder, lease)
            lease.check()
            folder.commit(result)
            folder.append("done", test_accuracy=result.test_accuracy)
        drop_checkpoints(folder.path)
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


def _run(folder: RunFolder, lease: Lease) -> RunResult:
    began = time.monotonic()
    raise_if_cancelled(folder)

    def report(step: Message, fraction: float) -> None:
        raise_if_cancelled(folder)
        folder.report_progress(phase=PREPARE, step=step.to_json(), fraction=fraction)

    context = RunContext(folder, report)
    keep_freed_memory()
    surroundings = environment(context.device, context.spec.recipe.precision)
    folder.append("started", attempt=lease.attempt, **surroundings)
    attempt = Attempt(context, lease)
    result = (_run_dense if context.spec.is_dense else _run_pruned)(attempt)
    return result.model_copy(
        update={
            "origin": Origin(**context.origin),
            "train_pictures": len(context.train_images),
            "test_pictures": len(context.test_images),
            "test_split": context.data.test_split,
            "wall_seconds": round(attempt.earlier_seconds + time.monotonic() - began, 2),
            "environment": Environment(**surroundings),
        }
    )


def _run_dense(attempt: Attempt) -> RunResult:
    context = attempt.context
    recipe = context.spec.recipe
    if recipe.imported:
        return _measure(attempt, _imported(context), dense=None)
    model = fresh_network(recipe, len(context.data.classes), seed=context.spec.seed)
    plan = make_training_plan(context.spec)
    trained = train(attempt, model, plan, phase="train", weight_epochs=REWIND_EPOCHS)
    return _measure(attempt, trained, dense=None)


def _imported(context: RunContext) -> Trained:
    """The dense network as it came, evaluated."""
    model = place(imported_network(context.home, context.spec.recipe, len(context.data.classes)), context.device)
    found = context.evaluate(model)
    return Trained(
        model=model,
        schedule=None,
        final=found,
        before=found,
        repaired=None,
        repair_applied=None,
        seconds=0.0,
        images_per_second=0.0,
        step_mode="imported",
        kept={},
    )


def _run_pruned(attempt: Attempt) -> RunResult:
    context = attempt.context
    spec, source = context.spec, context.dense_folder
    if source.result() is None:
        raise InputError("The dense run {run} is not finished: run it first, or retry to run both.", run=source.run_id)
    context.check_origin(source)
    dense = context.load(source)
    pruning = context.pruning_context(dict(spec.settings))

    def cut(model: nn.Module, sparsity: float, masks: Masks) -> Pruned:
        return prune(spec.method, model, sparsity, replace(pruning, masks=masks, dense=dense))

    method, how = METHODS[spec.method], dict(spec.settings).get(REPAIR.name, NO_REPAIR)

    def repair(uncut: nn.Module, pruned: Pruned) -> Repaired:
        return context.repair(method, how, uncut, pruned)

    # A stream of its own: fine-tuning must not repeat the order and augmentation of the dense training.
    stream = spec.recipe.train.epochs
    teacher = Teacher(dense) if pruning.settings.get(TEACHER.name) == TAUGHT else None
    # The plan depends on shapes alone, and those of folded networks are those of cut ones, which take no time.
    sized = replace(pruning, dense=dense, settings={**pruning.settings, "removal": "cut"})
    with attempt.training():
        plan = _retraining_plan(context, dense, lambda sparsity: prune(spec.method, dense, sparsity, sized).model)
    trained = train(
        attempt,
        dense,
        plan,
        phase="finetune",
        stream=stream,
        prune=cut,
        repair=None if how == NO_REPAIR else repair,
        teacher=teacher,
    )
    if method.kind == "unstructured":
        trained = _without_dead_channels(trained)
    result = _measure(attempt, trained, dense=dense)
    target = str(pruning.settings.get(TARGET.name, SPARSITY))
    return result if target == SPARSITY else _with_budget(context, result, target, dense, trained.model)


def _with_budget(context: RunContext, result: RunResult, target: str, dense: nn.Module, model: nn.Module) -> RunResult:
    """``result`` with what was asked for, predicted and measured of the network's time."""
    with context.measurement_lock.timing():  # of layers, should the table lack some
        predicted = predicted_share(dense, model, target, context.home.cache)
    speedup = result.optimised_speedup if target == LATENCY_1 else result.optimised_batch_speedup
    budget = LatencyBudget(
        target=target,
        budget=round(1 - result.sparsity, 6),
        predicted=round(predicted, 4),
        measured=round(1 / speedup, 4) if speedup else None,
    )
    return result.model_copy(update={"latency_budget": budget})


def _without_dead_channels(trained: Trained) -> Trained:
    """The network that is delivered: what zeros have cut off is no part of it."""
    try:
        found = remove_dead_channels(trained.model)
    except InputError:  # a network whose channels cannot be told apart is delivered as it is
        return trained
    model = place(found.model, next(trained.model.parameters()).device)
    return replace(trained, model=model, kept=found.kept, removed_channels=found.removed)


def _retraining_plan(context: RunContext, dense: nn.Module, pruned: Callable[[float], nn.Module]) -> TrainingPlan:
    """The plan of a pruned run. Where its budget is computation it follows from the shapes that ``dense`` is cut to, at
    every attempt the same; a network with masks computes as much as the dense one."""
    spec = context.spec
    if spec.recipe.budget != COMPUTE or METHODS[spec.method].kind == "unstructured":
        return make_training_plan(spec)
    steps = steps_per_epoch(len(context.train_images), spec.retrain.batch_size)
    return affordable_plan(spec, steps, macs(dense), cache(lambda sparsity: macs(pruned(sparsity))))


def _measure(attempt: Attempt, trained: Trained, *, dense: nn.Module | None) -> RunResult:
    """Write the compressed model, then measure the network against ``dense`` (None: it is itself) and diagnose the file."""
    context, folder = attempt.context, attempt.context.folder
    recipe = context.spec.recipe
    raise_if_cancelled(folder)
    folder.report_progress(phase="measure", fraction=1.0)
    attempt.lease.check()
    notes = {  # what is needed to classify an image with the file alone
        "run_id": folder.run_id,
        "classes": ",".join(context.data.classes),
        "mean": ",".join(map(str, context.data.mean)),
        "std": ",".join(map(str, context.data.std)),
    }
    clear_path(folder.model_path)
    save_model(trained.model, folder.model_path, notes=notes)
    with context.measurement_lock.timing():
        result = build_result(context.spec, trained, dense or trained.model, folder.model_path)
    with context.measurement_lock.training():
        result = result.model_copy(
            update=file_sizes(folder.model_path, load_network(folder.model_path, recipe, len(context.data.classes)))
        )
        diagnostics = diagnose(context, trained.kept)
    attempt.lease.check()
    write_diagnostics(folder, diagnostics)
    raise_if_cancelled(folder)
    measure_int8(context, trained.model, dense or trained.model)
    return result
