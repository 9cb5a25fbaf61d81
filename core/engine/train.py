"""Training: SGD with momentum, a cosine learning rate, and masks that hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from core.engine.data.augment import draw_epoch
from core.engine.step import Step
from core.spec.errors import InputError
from core.spec.spec import Schedule
from core.spec.training_plan import TrainingPlan


@dataclass(frozen=True, slots=True)
class EpochStats:
    """Means over one epoch of training; ``seconds`` is its wall-clock time."""

    loss: float
    accuracy: float
    images_per_second: float
    seconds: float


def make_optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.SGD:
    """SGD over all parameters, as the schedule says; its learning rate is set before every step."""
    return torch.optim.SGD(
        model.parameters(),
        lr=schedule.lr,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        fused=True,
    )


def train_epoch(
    step: Step,
    *,
    plan: TrainingPlan,
    seed: int,
    epoch: int,
    stream: int = 0,
    on_step: Callable[[int, int], None] = lambda number, steps: None,
) -> EpochStats:
    """One epoch (counted from 0) of ``plan``. Order and augmentation follow from (``seed``, ``stream`` + ``epoch``)
    alone, so that a resumed run sees what an uninterrupted one would have seen. ``on_step(number, steps)`` is called before
    every step; it may change weights and masks in place, and raise to stop. InputError if the loss is no longer a number.
    """
    began = time.perf_counter()
    pictures, steps = step.pictures, step.per_epoch
    drawn = draw_epoch(len(pictures), seed, stream + epoch, pictures.labels.device)
    step.begin(drawn, [plan.learning_rate(epoch, number, steps) for number in range(steps)])
    for number in range(steps):
        on_step(number, steps)
        step.run(number)
    # Read once at the end: reading in the loop would make the device wait.
    loss, hits = step.sums()
    seen = steps * step.batch
    if not math.isfinite(loss):
        raise InputError(
            "The loss became {loss} in epoch {epoch}: choose a larger batch size or a wider network.",
            loss=loss / steps,
            epoch=epoch + 1,
        )
    seconds = time.perf_counter() - began
    return EpochStats(loss / steps, 100 * hits / seen, seen / seconds, seconds)
