"""Training: SGD with momentum, a cosine learning rate, and masks that hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from core.engine.data.augment import DevicePictures, epoch_plan
from core.engine.pruning.base import Masks, prunable
from core.study.checks import InputError
from core.study.plan import Plan
from core.study.spec import Schedule


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


def steps_per_epoch(pictures: int, batch_size: int) -> int:
    """Full batches in an epoch. The rest of a shuffled epoch is left out: every step then has the same shape."""
    return max(1, pictures // batch_size)


class MaskKeeper:
    """Puts masked weights back to zero, all of them in one fused operation."""

    def __init__(self, model: nn.Module, masks: Masks) -> None:
        self._model = model
        self.hold(masks)

    def hold(self, masks: Masks) -> None:
        """Keep to ``masks`` from now on."""
        self.masks = masks
        weights = prunable(self._model)
        self._weights = [weights[name] for name in masks]
        # In the layout of the weights (channels_last), so that the multiplication runs straight through memory.
        self._factors = [
            mask.to(w).to(memory_format=_layout(w)) for w, mask in zip(self._weights, masks.values(), strict=True)
        ]

    @torch.no_grad()
    def apply(self) -> None:
        if self._weights:
            torch._foreach_mul_(self._weights, self._factors)


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.SGD,
    pictures: DevicePictures,
    *,
    plan: Plan,
    seed: int,
    epoch: int,
    keeper: MaskKeeper,
    precision: str = "fp32",
    stream: int = 0,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
) -> EpochStats:
    """One epoch (counted from 0) of ``plan``. Order and augmentation follow from (``seed``, ``stream`` + ``epoch``)
    alone, so that a resumed run sees what an uninterrupted one would have seen. ``on_step(step, steps)`` is called before
    every step; it may change weights and masks in place, and raise to stop. InputError if the loss is no longer a number.
    """
    began = time.perf_counter()
    device = pictures.labels.device
    n = len(pictures.labels)
    batch = min(plan.schedule.batch_size, n)
    steps = steps_per_epoch(n, batch)
    drawn = epoch_plan(n, seed, stream + epoch, device)
    # Summed on the device and read once at the end: reading them in the loop would make the device wait.
    loss_sum, hits = torch.zeros((), device=device), torch.zeros((), device=device)
    model.train()
    for step in range(steps):
        on_step(step, steps)
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate(epoch, step, steps)
        images, labels = pictures.train_batch(drawn, step * batch, (step + 1) * batch)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        keeper.apply()
        loss_sum += loss.detach()
        hits += (logits.detach().argmax(1) == labels).sum()
    mean_loss = float(loss_sum) / steps
    if not math.isfinite(mean_loss):
        raise InputError(
            f"The loss became {mean_loss} in epoch {epoch + 1}: choose a larger batch size or a wider network."
        )
    seconds = time.perf_counter() - began
    return EpochStats(mean_loss, 100 * float(hits) / (steps * batch), steps * batch / seconds, seconds)


def _layout(weight: torch.Tensor) -> torch.memory_format:
    return torch.channels_last if weight.dim() == 4 else torch.contiguous_format
