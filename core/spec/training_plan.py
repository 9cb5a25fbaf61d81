"""What happens while a run is trained: its rounds, at which steps the network is cut to which sparsity, and the
learning rate of every step. Arithmetic alone: the engine carries it out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from core.spec.methods import METHODS
from core.spec.settings import TAUGHT, TEACHER
from core.spec.spec import LINEAR, TRIANGULAR, RunSpec, Schedule

GRADUAL_CUTS = 10  # at most; a training of very few steps has fewer
# At most, where whole channels go: each of these cuts makes a new network, with a new optimizer and on a GPU a new graph.
GRADUAL_CHANNEL_CUTS = 5
MAX_EPOCHS = 10  # times as many as the recipe's that a budget of computation may grant
PEAK = 0.2  # where in the training a triangular learning rate is highest


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The training of one run. ``rounds``: the epochs of each; every round has the learning rate's whole course, and starts
    without momentum. ``sparsities``: reached at the start of each round, or little by little during the training if
    ``gradual``; none for a dense run. ``whole_channels``: cuts make the network smaller, and are made between epochs.
    ``rewound``: the epochs of the dense run, whose last learning rates each round repeats (0: its own)."""

    schedule: Schedule
    rounds: tuple[int, ...]
    sparsities: tuple[float, ...] = ()
    gradual: bool = False
    whole_channels: bool = False
    rewound: int = 0

    @property
    def epochs(self) -> int:
        return sum(self.rounds)

    @property
    def starts(self) -> tuple[int, ...]:
        """The epoch (counted from 0) that each round starts with."""
        return tuple(accumulate(self.rounds[:-1], initial=0))

    @property
    def pruned_after(self) -> float:
        """Epochs of this training before the last cut; halves of one where the network is cut in the middle of it."""
        if self.gradual:
            return float(self.epochs // 2) if self.whole_channels else self.epochs / 2
        return float(self.starts[len(self.sparsities) - 1])

    def cuts(self, steps: int) -> dict[int, float]:
        """The sparsity to reach right before a step, by that step's number, where an epoch has ``steps`` steps."""
        if not self.gradual:
            return {start * steps: sparsity for start, sparsity in zip(self.starts, self.sparsities, strict=False)}
        (final,) = self.sparsities
        if self.whole_channels:
            half = self.epochs // 2
            count = min(GRADUAL_CHANNEL_CUTS, half + 1)
            places = [half * n // max(1, count - 1) * steps for n in range(count)]
        else:
            half = self.epochs * steps // 2
            count = max(2, min(GRADUAL_CUTS, half))
            places = [half * n // count for n in range(1, count + 1)]
        # Zhu & Gupta, 2017: fast while there is much to spare, then slower and slower.
        return {place: final * (1 - (1 - n / count) ** 3) for n, place in enumerate(places, 1)}

    def learning_rate(self, epoch: int, step: int, steps: int) -> float:
        """The learning rate at ``step`` of the ``steps`` of ``epoch``, all counted from 0."""
        start, epochs = next(pair for pair in zip(self.starts, self.rounds, strict=True) if epoch < sum(pair))
        length = max(epochs, self.rewound)
        return learning_rate(self.schedule, (length - epochs + epoch - start) * steps + step, length * steps, steps)

    def macs(self, steps: int, dense: float, macs_at: Callable[[float], float]) -> float:
        """MACs of all forward passes for one picture in each of the ``steps`` of an epoch, of a network that has ``dense``
        before the first cut and ``macs_at(sparsity)`` after each."""
        cuts = self.cuts(steps)
        sizes = [dense, *map(macs_at, cuts.values())]
        ends = pairwise((0, *cuts, self.epochs * steps))
        return sum((end - start) * size for (start, end), size in zip(ends, sizes, strict=True))


def make_training_plan(spec: RunSpec, epochs: int | None = None) -> TrainingPlan:
    """The plan of ``spec``'s training: of the dense network, or of what is left after pruning. ``epochs`` instead of those
    of its schedule."""
    schedule, settings = spec.retrain, dict(spec.settings)
    if epochs is not None:
        schedule = replace(schedule, epochs=epochs)
    rewound = spec.recipe.train.epochs if settings.get("retraining") == "lr-rewinding" else 0
    if spec.is_dense:
        return TrainingPlan(schedule, (schedule.epochs,))
    if settings.get("schedule") != "iterative":
        gradual = settings.get("schedule") == "gradual"
        whole_channels = METHODS[spec.method].kind == "structured"
        return TrainingPlan(schedule, (schedule.epochs,), (spec.sparsity,), gradual, whole_channels, rewound)
    count = settings["rounds"]
    assert isinstance(count, int)
    # Each round leaves the same share of what the one before left. The last one is meant exactly.
    sparsities = [1 - (1 - spec.sparsity) ** (n / count) for n in range(1, count)]
    return TrainingPlan(schedule, _split(schedule.epochs, count), (*sparsities, spec.sparsity), rewound=rewound)


def affordable_plan(spec: RunSpec, steps: int, dense: float, macs_at: Callable[[float], float]) -> TrainingPlan:
    """The plan with as many whole epochs as cost no more MACs than the schedule's would cost the dense network (the rest as
    in :meth:`TrainingPlan.macs`); never fewer than the schedule's, nor more than MAX_EPOCHS times as many.

    A training step costs three forward passes; a teacher's costs one of the dense network more."""
    plan = make_training_plan(spec)
    taught = dense if dict(spec.settings).get(TEACHER.name) == TAUGHT else 0.0
    budget = 3 * dense * plan.epochs * steps
    for epochs in range(min(MAX_EPOCHS * plan.epochs, 10_000), plan.epochs, -1):
        longer = make_training_plan(spec, epochs)
        if 3 * longer.macs(steps, dense, macs_at) + taught * epochs * steps <= budget:
            return longer
    return plan


def learning_rate(schedule: Schedule, step: int, total: int, steps: int) -> float:
    """The learning rate at ``step`` of ``total``, where an epoch has ``steps``: never 0, in the first step or the last."""
    warmup = min(schedule.warmup * steps, total // 2)
    if step < warmup:
        return schedule.lr * (step + 1) / warmup
    step, total = step - warmup, total - warmup
    if schedule.decay == TRIANGULAR:
        peak = PEAK * total
        return schedule.lr * min(1.0, (step + 1) / peak, (total - step) / (total - peak))
    if schedule.decay == LINEAR:
        return schedule.lr * (1 - step / total)
    return schedule.lr * 0.5 * (1 + math.cos(math.pi * step / total))


def _split(epochs: int, rounds: int) -> tuple[int, ...]:
    """``epochs`` as evenly as whole ones allow; later rounds, which have lost more, get the rest."""
    return tuple((epochs + n) // rounds for n in range(rounds))
