"""Training: SGD with momentum, a learning rate and pruning by schedule; from the newest checkpoint to the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from core.engine.artifact import save_model
from core.engine.checkpoint import drop_checkpoints, load_checkpoint, save_checkpoint
from core.engine.context import Attempt, weights_path
from core.engine.data.augment import draw_epoch
from core.engine.eta import EtaEstimator
from core.engine.evaluate import Evaluation
from core.engine.recovery.distillation import Teacher
from core.engine.result import Trained, prune_summary
from core.engine.step import EAGER, Step, steps_per_epoch
from core.engine.training_state import Prune, Repair, TrainingState
from core.runs.atomic_io import clear_path
from core.spec.errors import InputError
from core.spec.training_plan import TrainingPlan

CHECKPOINT_SECONDS = 15.0


def train(
    attempt: Attempt,
    start: nn.Module,
    plan: TrainingPlan,
    *,
    phase: str,
    stream: int = 0,
    weight_epochs: tuple[int, ...] = (),
    prune: Prune | None = None,
    repair: Repair | None = None,
    teacher: Teacher | None = None,
) -> Trained:
    """Train a copy of ``start`` by ``plan``, and ``prune`` and ``repair`` it when that says so; it learns from the
    ``teacher``, too. Weights are saved after ``weight_epochs``, for methods that rewind; ``stream`` is as in
    :func:`train_epoch`."""
    context = attempt.context
    folder, images = context.folder, context.train_images
    steps = steps_per_epoch(len(images), plan.schedule.batch_size)
    state = TrainingState(start, plan, steps, context.device, prune, repair=repair, teacher=teacher)
    _resume(attempt, state)
    if not state.epochs_done:
        _save_weights(attempt, state.model, 0, weight_epochs)
    final: Evaluation | None = None
    step_mode = EAGER
    eta, saved = EtaEstimator(plan.epochs, state.epochs_done, attempt.clock()), time.monotonic()
    for epoch in range(state.epochs_done, plan.epochs):
        with attempt.training():
            state.start_epoch(epoch)
        _record_pruned(attempt, state, start, plan)
        with attempt.training():
            step = state.make_step(images, context.precision)
            on_step = _on_step(attempt, state, eta, phase, epoch)
            stats = train_epoch(
                step,
                plan=plan,
                seed=context.spec.seed,
                epoch=epoch,
                stream=stream,
                on_step=on_step,
                clock=attempt.clock,
            )
            final = context.evaluate(state.model)
        _record_pruned(attempt, state, start, plan)  # of a cut inside the epoch: it is timed while nothing trains
        state.seconds += stats.seconds
        step_mode = step.mode
        _save_weights(attempt, state.model, epoch + 1, weight_epochs)
        if time.monotonic() - saved > CHECKPOINT_SECONDS or epoch + 1 == plan.epochs:
            save_checkpoint(folder.path, epoch + 1, {**state.to_dict(), "origin": context.origin}, attempt.lease)
            saved = time.monotonic()
        folder.append(
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
    final = final or context.evaluate(state.model)
    speed = plan.epochs * steps * min(plan.schedule.batch_size, len(images)) / state.seconds
    before = state.before or final
    return Trained(
        state.model,
        plan.schedule,
        final,
        before,
        state.repaired,
        state.repair_applied,
        state.seconds,
        speed,
        step_mode,
        state.kept,
    )


@dataclass(frozen=True, slots=True)
class EpochStats:
    """Means over one epoch of training, which took ``seconds``."""

    loss: float
    accuracy: float
    images_per_second: float
    seconds: float


def train_epoch(
    step: Step,
    *,
    plan: TrainingPlan,
    seed: int,
    epoch: int,
    stream: int = 0,
    on_step: Callable[[int, int], None] = lambda number, steps: None,
    clock: Callable[[], float] = time.perf_counter,
) -> EpochStats:
    """One epoch (counted from 0) of ``plan``. Order and augmentation follow from (``seed``, ``stream`` + ``epoch``)
    alone, so that a resumed run sees what an uninterrupted one would have seen. ``on_step(number, steps)`` is called before
    every step; it may change weights and masks in place, and raise to stop. InputError if the loss is no longer a number.
    """
    began = clock()
    images, steps = step.images, step.per_epoch
    augmentation = draw_epoch(
        len(images), seed, stream + epoch, images.labels.device, plan.schedule.cutout, side=images.side
    )
    step.begin_epoch(augmentation, [plan.learning_rate(epoch, number, steps) for number in range(steps)])
    for number in range(steps):
        on_step(number, steps)
        step.run(number)
    # Read once at the end: reading in the loop would make the device wait.
    loss, hits = step.sums()
    seen = steps * step.batch_size
    if not math.isfinite(loss):
        raise InputError(
            "The loss became {loss} in epoch {epoch}: choose a larger batch size or a wider network.",
            loss=loss / steps,
            epoch=epoch + 1,
        )
    seconds = clock() - began
    return EpochStats(loss / steps, 100 * hits / seen, seen / seconds, seconds)


def _on_step(
    attempt: Attempt, state: TrainingState, eta: EtaEstimator, phase: str, epoch: int
) -> Callable[[int, int], None]:
    def on_step(step: int, steps: int) -> None:
        def progress() -> dict[str, Any]:
            done = epoch + step / steps
            fractions = {"fraction": done / eta.epochs, "seconds_left": eta.seconds_left(done, attempt.clock())}
            return {"phase": phase, "epoch": epoch + 1, "epochs": eta.epochs, **fractions}

        attempt.poll(progress)
        state.start_step(epoch, step)

    return on_step


def _record_pruned(attempt: Attempt, state: TrainingState, dense: nn.Module, plan: TrainingPlan) -> None:
    """If the last cut was just made, note size, speed and accuracy right after it, and that after repair, in the journal."""
    networks = state.pop_pruned()
    if networks is None:
        return
    pruned, repaired = networks
    context = attempt.context
    state.before = context.evaluate(pruned)
    with context.measurement_lock.timing():
        summary = prune_summary(pruned, dense)
    if state.repair_applied:
        state.repaired = context.evaluate(repaired)
        summary |= {
            "accuracy_after_repair": round(state.repaired.accuracy, 3),
            "repair_applied": state.repair_applied,
        }
    accuracy = round(state.before.accuracy, 3)
    context.folder.append("pruned", epochs_before=plan.pruned_after, test_accuracy=accuracy, **summary)


def _resume(attempt: Attempt, state: TrainingState) -> None:
    """Restore the newest checkpoint, if it has the run's origin."""
    folder = attempt.context.folder
    checkpoint, damaged = load_checkpoint(folder.path)
    for name in damaged:
        folder.append("checkpoint_damaged", name=name)
    if checkpoint is None:
        return
    if checkpoint.state.get("origin") != attempt.context.origin or "masks" not in checkpoint.state:
        drop_checkpoints(folder.path)
        folder.append("started_over", reason="origin_changed")
        return
    state.load_dict(checkpoint.state, checkpoint.epoch)
    folder.append("resumed", epoch=checkpoint.epoch)
    attempt.earlier_seconds = state.seconds


def _save_weights(attempt: Attempt, model: nn.Module, epoch: int, weight_epochs: tuple[int, ...]) -> None:
    if epoch in weight_epochs:
        attempt.lease.check()
        path = weights_path(attempt.context.folder, epoch)
        clear_path(path)
        save_model(model, path)
