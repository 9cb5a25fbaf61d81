"""Training: SGD with momentum, a cosine learning rate, and pruning by schedule; from the newest checkpoint to the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from core.engine.artifact import save_model
from core.engine.checkpoint import drop_checkpoints, load_checkpoint, save_checkpoint
from core.engine.context import Attempt, EtaEstimator, weights_path
from core.engine.data.augment import DeviceImages, draw_epoch
from core.engine.device import place
from core.engine.evaluate import Evaluation
from core.engine.masks import WeightMasks
from core.engine.networks.resnet18 import ResNet, Shape
from core.engine.pruning.base import Masks, Pruned
from core.engine.pruning.shrink import Kept, all_channels, kept_of_both
from core.engine.recovery.repair import Repaired
from core.engine.result import Trained, prune_summary
from core.engine.step import EAGER, Step, steps_per_epoch
from core.runs.atomic_io import clear_path
from core.spec.errors import InputError
from core.spec.spec import Schedule
from core.spec.training_plan import TrainingPlan

CHECKPOINT_SECONDS = 15.0

# Prunes a network to a sparsity, given the masks of earlier cuts.
Prune = Callable[[ResNet, float, Masks], Pruned]
# Repairs what pruning made of a network, which comes first.
Repair = Callable[[ResNet, Pruned], Repaired]


def train(
    attempt: Attempt,
    start: ResNet,
    plan: TrainingPlan,
    *,
    phase: str,
    stream: int = 0,
    weight_epochs: tuple[int, ...] = (),
    prune: Prune | None = None,
    repair: Repair | None = None,
) -> Trained:
    """Train a copy of ``start`` by ``plan``, and ``prune`` and ``repair`` it when that says so. Weights are saved after
    ``weight_epochs``, for methods that rewind; ``stream`` is as in :func:`train_epoch`."""
    context = attempt.context
    folder, images = context.folder, context.train_images
    steps = steps_per_epoch(len(images), plan.schedule.batch_size)
    state = TrainingState(start, plan, steps, context.device, prune, repair=repair)
    _resume(attempt, state)
    if not state.epochs_done:
        _save_weights(attempt, state.model, 0, weight_epochs)
    final: Evaluation | None = None
    step_mode = EAGER
    eta, saved = EtaEstimator(plan.epochs, state.epochs_done, attempt.clock()), time.monotonic()
    for epoch in range(state.epochs_done, plan.epochs):
        with attempt.training():
            state.start_epoch(epoch)
        _record_pruned(attempt, state, start)
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
        _record_pruned(attempt, state, start)  # of a cut inside the epoch: it is timed while nothing trains
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
        state.model, final, before, state.repaired, state.repair_applied, state.seconds, speed, step_mode, state.kept
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
    augmentation = draw_epoch(len(images), seed, stream + epoch, images.labels.device)
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


def make_optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.SGD:
    """SGD over all parameters, as the schedule says; its learning rate is set before every step."""
    return torch.optim.SGD(
        model.parameters(),
        lr=schedule.lr,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        fused=True,
    )


class TrainingState:
    """A copy of ``start`` in training by ``plan``, where an epoch has ``steps`` steps and ``prune`` makes the cuts, which
    ``repair`` follows: in a gradual schedule the last one alone, as training repairs what the others cut."""

    def __init__(
        self,
        start: ResNet,
        plan: TrainingPlan,
        steps: int,
        device: torch.device,
        prune: Prune | None,
        *,
        repair: Repair | None = None,
    ) -> None:
        self._plan, self._steps, self._device, self._prune, self._repair = plan, steps, device, prune, repair
        self._cuts = plan.cuts(steps)
        self._last_cut = max(self._cuts, default=-1)
        self.epochs_done, self.seconds = 0, 0.0
        self.before: Evaluation | None = None  # right after the last cut
        self.repaired: Evaluation | None = None  # and after its repair, if there is one
        self.repair_applied: str | None = None
        self._pruned: tuple[ResNet, ResNet] | None = None  # copies from before and after that, until they are evaluated
        self._step: Step | None = None
        self.kept: Kept | None = all_channels(start.shape)  # those of ``start`` that are left; None where unknown
        self._begin_round(deepcopy(start), {})

    def start_epoch(self, epoch: int) -> None:
        """At the start of a round, make its cut and begin with a new optimizer."""
        if epoch in self._plan.starts:
            self._cut(epoch * self._steps, new_round=True)

    def start_step(self, epoch: int, step: int) -> None:
        """If there is a cut at this ``step`` of ``epoch``, make it in place: the optimizer keeps its momentum."""
        self._cut(epoch * self._steps + step, new_round=False)

    def make_step(self, images: DeviceImages, precision: str) -> Step:
        """The :class:`Step` that trains on ``images``: one object until a new round begins."""
        if self._step is None:
            batch_size = self._plan.schedule.batch_size
            self._step = Step(self.model, self.optimizer, self.weight_masks, images, batch_size, precision=precision)
        return self._step

    def pop_pruned(self) -> tuple[ResNet, ResNet] | None:
        """The network as it was right after the last cut, and after its repair, once."""
        pruned, self._pruned = self._pruned, None
        return pruned

    def to_dict(self) -> dict[str, Any]:
        """The state for a checkpoint, as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "shape": self.model.shape.groups,
            "masks": self.weight_masks.masks,
            "kept": self.kept,
            "optimizer": self.optimizer.state_dict(),
            "seconds": self.seconds,
            "before": self.before and asdict(self.before),
            "repaired": self.repaired and asdict(self.repaired),
            "repair_applied": self.repair_applied,
        }

    def load_dict(self, state: dict[str, Any], epochs_done: int) -> None:
        """Restore what :meth:`to_dict` gave after ``epochs_done`` epochs."""
        model = ResNet(Shape.of_groups(state["shape"], self.model.shape.classes))
        model.load_state_dict(state["model"])
        self._begin_round(model, state["masks"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epochs_done, self.seconds = epochs_done, float(state["seconds"])
        self.before, self.kept = state["before"] and Evaluation(**state["before"]), state.get("kept")
        repaired = state.get("repaired")
        self.repaired, self.repair_applied = repaired and Evaluation(**repaired), state.get("repair_applied")

    def _begin_round(self, model: ResNet, masks: Masks) -> None:
        self.model = place(model, self._device)
        self.optimizer = make_optimizer(self.model, self._plan.schedule)
        self.weight_masks = WeightMasks(self.model, masks)
        self.weight_masks.apply()
        self._step = None  # it trains the network of the round before

    def _cut(self, step: int, *, new_round: bool) -> None:
        sparsity = self._cuts.pop(step, None)
        if sparsity is None:
            return
        assert self._prune is not None
        pruned = self._prune(self.model, sparsity, self.weight_masks.masks)
        self.kept = self.kept if pruned.masks else kept_of_both(self.kept, pruned.kept)  # masks remove no channel
        last = step == self._last_cut
        as_cut = place(deepcopy(pruned.model), self._device)
        model = pruned.model
        if self._repair and (new_round or last):
            repaired = self._repair(self.model, pruned)
            model, self.repair_applied = repaired.model, repaired.applied
        if new_round:
            self._begin_round(model, pruned.masks)
        else:
            self.model.load_state_dict(model.state_dict())
            self.weight_masks.set_masks(pruned.masks)
        if last:
            self._pruned = as_cut, deepcopy(self.model)


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


def _record_pruned(attempt: Attempt, state: TrainingState, dense: ResNet) -> None:
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
    context.folder.append("pruned", test_accuracy=round(state.before.accuracy, 3), **summary)


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


def _save_weights(attempt: Attempt, model: ResNet, epoch: int, weight_epochs: tuple[int, ...]) -> None:
    if epoch in weight_epochs:
        attempt.lease.check()
        path = weights_path(attempt.context.folder, epoch)
        clear_path(path)
        save_model(model, path)
