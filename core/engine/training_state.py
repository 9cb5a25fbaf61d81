"""The network in training, with all that a checkpoint holds of it, and the cuts that prune it on the way."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import torch

from core.engine.data.augment import DeviceImages
from core.engine.device import place
from core.engine.evaluate import Evaluation
from core.engine.masks import MaskKeeper
from core.engine.networks.resnet18 import ResNet, Shape
from core.engine.pruning.base import Masks, Pruned
from core.engine.step import Step
from core.engine.train import make_optimizer
from core.spec.training_plan import TrainingPlan

# The network as it is, the sparsity to reach, and the masks of earlier cuts.
Prune = Callable[[ResNet, float, Masks], Pruned]


class TrainingState:
    """A copy of ``start`` in training by ``plan``, where an epoch has ``steps`` steps and ``prune`` makes the cuts."""

    def __init__(
        self, start: ResNet, plan: TrainingPlan, steps: int, device: torch.device, prune: Prune | None
    ) -> None:
        self._plan, self._steps, self._device, self._prune = plan, steps, device, prune
        self._cuts = plan.cuts(steps)
        self._last = max(self._cuts, default=-1)
        self.done, self.seconds = 0, 0.0  # epochs, and the time spent on them
        self.before: Evaluation | None = None  # right after the last cut
        self.pruned: ResNet | None = None  # as it was right after the last cut, until somebody has looked at it
        self._step: Step | None = None
        self._begin(deepcopy(start), {})

    def start_epoch(self, epoch: int) -> None:
        """Where a round starts, make its cut: from there on nothing of the optimizer is left."""
        if epoch in self._plan.starts:
            self._cut(epoch * self._steps, anew=True)

    def start_step(self, epoch: int, step: int) -> None:
        """If there is a cut at this ``step`` of ``epoch``, make it in place: the optimizer keeps its momentum."""
        self._cut(epoch * self._steps + step, anew=False)

    def stepper(self, pictures: DeviceImages, precision: str) -> Step:
        """What takes the steps on ``pictures``: the same one until a round begins anew."""
        if self._step is None:
            batch = self._plan.schedule.batch_size
            self._step = Step(self.model, self.optimizer, self.keeper, pictures, batch, precision=precision)
        return self._step

    def pop_pruned(self) -> ResNet | None:
        """The network as it was right after the last cut, the first time that it is asked for."""
        pruned, self.pruned = self.pruned, None
        return pruned

    def state(self) -> dict[str, Any]:
        """What :meth:`load` needs, as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "shape": self.model.shape.groups,
            "masks": self.keeper.masks,
            "optimizer": self.optimizer.state_dict(),
            "seconds": self.seconds,
            "before": self.before and asdict(self.before),
        }

    def load(self, state: dict[str, Any], done: int) -> None:
        """Be as the trainee that gave ``state`` was after ``done`` epochs."""
        model = ResNet(Shape.of_groups(state["shape"], self.model.shape.classes))
        model.load_state_dict(state["model"])
        self._begin(model, state["masks"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.done, self.seconds = done, float(state["seconds"])
        self.before = state["before"] and Evaluation(**state["before"])

    def _begin(self, model: ResNet, masks: Masks) -> None:
        self.model = place(model, self._device)
        self.optimizer = make_optimizer(self.model, self._plan.schedule)
        self.keeper = MaskKeeper(self.model, masks)
        self.keeper.apply()
        self._step = None  # what it took steps with lies elsewhere now

    def _cut(self, step: int, *, anew: bool) -> None:
        sparsity = self._cuts.pop(step, None)
        if sparsity is None:
            return
        assert self._prune is not None
        pruned = self._prune(self.model, sparsity, self.keeper.masks)
        if anew:
            self._begin(pruned.model, pruned.masks)
        else:
            self.model.load_state_dict(pruned.model.state_dict())
            self.keeper.hold(pruned.masks)
        if step == self._last:
            self.pruned = deepcopy(self.model)
