"""A training step, again and again on the same memory, so that a GPU can replay it as one CUDA graph.

Nothing in a step waits for the host: which images come next, the learning rate and the sums over the epoch are tensors on
the device. A CPU executes the same steps eagerly.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.engine import cuda_graph
from core.engine.cuda_graph import WARM_UP, Work, warm_up
from core.engine.data.augment import DeviceImages, EpochAugmentation
from core.engine.masks import WeightMasks
from core.engine.recovery.distillation import Teacher, distillation_loss
from core.spec.errors import first_line
from core.spec.spec import Schedule

EAGER, GRAPH = "eager", "CUDA graph"
Capture = Callable[[Work], Work]


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Full batches in an epoch. The rest of a shuffled epoch is left out: every step then has the same shape."""
    return max(1, images // batch_size)


def make_optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.SGD:
    """SGD over all parameters, as the schedule says; its learning rate is set before every step."""
    return torch.optim.SGD(
        model.parameters(),
        lr=schedule.lr,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        nesterov=schedule.nesterov,
        fused=True,
    )


class Step:
    """The steps of training ``model`` with ``optimizer`` and ``weight_masks`` on batches of ``images``.

    With a ``teacher``, the loss is that of :func:`distillation_loss`. ``mode`` is EAGER or GRAPH, or says why capturing a
    graph failed. ``capture`` stands for CUDA's in tests. Momentum,
    weights and masks may be changed between two steps, but only in place.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.SGD,
        weight_masks: WeightMasks,
        images: DeviceImages,
        batch_size: int,
        *,
        precision: str = "fp32",
        label_smoothing: float = 0.0,
        teacher: Teacher | None = None,
        capture: Capture | None = None,
    ) -> None:
        device = images.labels.device
        self.model, self.optimizer, self.weight_masks, self.images = model, optimizer, weight_masks, images
        self.batch_size = min(batch_size, len(images))
        self.mode = EAGER
        self._precision, self._device = precision, device
        self._label_smoothing, self._teacher = label_smoothing, teacher
        self.capture = capture or (cuda_graph.capture if device.type == "cuda" else None)
        self._replay: Work | None = None
        self._captured_version, self._warm_ups = -1, 0
        self._rates: Sequence[float] = ()
        self._device_rates = torch.zeros(0, device=device)
        self._rate = torch.zeros((), device=device)  # what a captured optimizer step reads
        self._augmentation: EpochAugmentation | None = None
        self._number = torch.zeros(1, dtype=torch.int64, device=device)
        self._positions = torch.arange(self.batch_size, device=device)
        self._loss, self._hits = torch.zeros((), device=device), torch.zeros((), device=device)

    @property
    def per_epoch(self) -> int:
        return steps_per_epoch(len(self.images), self.batch_size)

    def begin_epoch(self, augmentation: EpochAugmentation, rates: Sequence[float]) -> None:
        """Start an epoch in the order of ``augmentation``, with a learning rate for each step."""
        self.model.train()
        self._rates = rates
        if self._augmentation is None or len(rates) != len(self._device_rates):
            self._augmentation, self._device_rates = augmentation, torch.tensor(rates, device=self._device)
            self._replay = None  # it reads other memory
        else:
            self._augmentation.copy_(augmentation)
            self._device_rates.copy_(torch.tensor(rates))
        for counter in (self._number, self._loss, self._hits):
            counter.zero_()

    def run(self, number: int) -> None:
        """Step ``number`` of the epoch; steps have to be run in order."""
        if self.capture is None:
            self._set_rate(self._rates[number])
            self._execute()
            return
        self._set_rate(self._rate)
        if self._captured_version != self.weight_masks.version:
            self._replay = None  # it multiplies by the masks there were before
        if self._warm_ups < WARM_UP:
            self._warm_ups += 1
            warm_up(self._execute, self._device)
            return
        (self._replay or self._captured(self.capture, number))()

    def sums(self) -> tuple[float, float]:
        """The sum of the losses and the number of hits since the epoch began. Waits for the device."""
        return float(self._loss), float(self._hits)

    def _set_rate(self, rate: float | Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _captured(self, capture: Capture, number: int) -> Work:
        """The replay of a captured step; if capturing fails, step ``number`` run eagerly, as all later ones are."""
        self.optimizer.zero_grad(set_to_none=True)  # gradients are to lie in the graph's own memory
        try:
            # A weak reference: this object owns the graph, and both are to be freed as soon as a round begins anew.
            self._replay = capture(partial(Step._execute, weakref.proxy(self)))
        except RuntimeError as error:
            self.capture = None
            self.mode = f"{EAGER}, because capturing failed: {first_line(error)}"
            return partial(self.run, number)
        self.mode, self._captured_version = GRAPH, self.weight_masks.version
        return self._replay

    def _execute(self) -> None:
        """One whole step, as operations on the device alone."""
        assert self._augmentation is not None
        if self.capture is not None:
            self._rate.copy_(self._device_rates.index_select(0, self._number).squeeze(0))
        positions = self._number * self.batch_size + self._positions
        images, labels = self.images.train_batch(self._augmentation.select(positions), 0, self.batch_size)
        # Without a cache of casts: each weight is used once, and what a graph replays must not hold on to an old one.
        with torch.autocast(
            self._device.type, dtype=torch.bfloat16, enabled=self._precision == "bf16", cache_enabled=False
        ):
            logits = self.model(images)
            taught = None if self._teacher is None else self._teacher(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=self._label_smoothing)
        if taught is not None:
            loss = distillation_loss(logits.float(), taught.float(), loss)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.weight_masks.apply()
        self._loss += loss.detach()
        self._hits += (logits.detach().argmax(1) == labels).sum()
        self._number += 1
