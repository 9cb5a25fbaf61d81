"""What a training changes as it goes on: the network, its optimizer and masks, and what pruning and repair did to them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from core.engine.data.augment import DeviceImages
from core.engine.device import place
from core.engine.evaluate import Evaluation
from core.engine.masks import WeightMasks
from core.engine.pruning.base import Masks, Pruned
from core.engine.pruning.shrink import Kept, kept_of_both
from core.engine.recovery.distillation import Teacher
from core.engine.recovery.repair import Repaired
from core.engine.step import Step, make_optimizer
from core.spec.training_plan import TrainingPlan
from prunescope.resize import resize

# Prunes a network to a sparsity, given the masks of earlier cuts.
Prune = Callable[[nn.Module, float, Masks], Pruned]
# Repairs what pruning made of a network, which comes first.
Repair = Callable[[nn.Module, Pruned], Repaired]


class TrainingState:
    """A copy of ``start`` in training by ``plan`` and a ``teacher``, where an epoch has ``steps`` steps and ``prune`` makes
    the cuts, which ``repair`` follows: in a gradual schedule the last one alone, as training repairs what the others cut."""

    def __init__(
        self,
        start: nn.Module,
        plan: TrainingPlan,
        steps: int,
        device: torch.device,
        prune: Prune | None,
        *,
        repair: Repair | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        self._plan, self._steps, self._device = plan, steps, device
        self._prune, self._repair, self._teacher = prune, repair, teacher
        self._cuts = plan.cuts(steps)
        self._last_cut = max(self._cuts, default=-1)
        self.epochs_done, self.seconds = 0, 0.0
        self.before: Evaluation | None = None  # right after the last cut
        self.repaired: Evaluation | None = None  # and after its repair, if there is one
        self.repair_applied: str | None = None
        # Copies from before and after that repair, until they are evaluated.
        self._pruned: tuple[nn.Module, nn.Module] | None = None
        self._step: Step | None = None
        self.kept: Kept | None = {}  # those of ``start`` that are left; None where unknown
        self._begin_round(deepcopy(start), {})

    def start_epoch(self, epoch: int) -> None:
        """At the start of a round, or of any epoch if whole channels go, make the cut and begin with a new optimizer."""
        if epoch in self._plan.starts or self._plan.whole_channels:
            self._cut(epoch * self._steps, new_round=True)

    def start_step(self, epoch: int, step: int) -> None:
        """If there is a cut at this ``step`` of ``epoch``, make it in place: the optimizer keeps its momentum."""
        self._cut(epoch * self._steps + step, new_round=False)

    def make_step(self, images: DeviceImages, precision: str) -> Step:
        """The :class:`Step` that trains on ``images``: one object until a new round begins."""
        if self._step is None:
            schedule = self._plan.schedule
            self._step = Step(
                self.model,
                self.optimizer,
                self.weight_masks,
                images,
                schedule.batch_size,
                precision=precision,
                label_smoothing=schedule.label_smoothing,
                teacher=self._teacher,
            )
        return self._step

    def pop_pruned(self) -> tuple[nn.Module, nn.Module] | None:
        """The network as it was right after the last cut, and after its repair, once."""
        pruned, self._pruned = self._pruned, None
        return pruned

    def to_dict(self) -> dict[str, Any]:
        """The state for a checkpoint, as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
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
        model = deepcopy(self.model)
        resize(model, state["model"])
        self._begin_round(model, state["masks"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epochs_done, self.seconds = epochs_done, float(state["seconds"])
        self.before, self.kept = state["before"] and Evaluation(**state["before"]), state.get("kept")
        if "shape" in state:  # written when groups of channels had other names
            self.kept = None
        repaired = state.get("repaired")
        self.repaired, self.repair_applied = repaired and Evaluation(**repaired), state.get("repair_applied")

    def _begin_round(self, model: nn.Module, masks: Masks) -> None:
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
        if self._repair and (last or not self._plan.gradual):
            repaired = self._repair(self.model, pruned)
            model, self.repair_applied = repaired.model, repaired.applied
        if new_round:
            self._begin_round(model, pruned.masks)
        else:
            self.model.load_state_dict(model.state_dict())
            self.weight_masks.set_masks(pruned.masks)
        if last:
            self._pruned = as_cut, deepcopy(self.model)
