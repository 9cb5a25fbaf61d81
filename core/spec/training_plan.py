"""What happens while a run is trained: its rounds, at which steps the network is cut to which sparsity, and the
learning rate of every step. Arithmetic alone: the engine carries it out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

from core.spec.methods import METHODS
from core.spec.spec import RunSpec, Schedule

GRADUAL_CUTS = 10  # at most; a training of very few steps has fewer
# At most, where whole channels go: each of these cuts makes a new network, with a new optimizer and on a GPU a new graph.
GRADUAL_CHANNEL_CUTS = 5


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The training of one run. ``rounds``: the epochs of each; every round starts a cosine of its own, without momentum.
    ``sparsities``: reached at the start of each round, or little by little during the training if ``gradual``; none for
    a dense run. ``whole_channels``: cuts make the network smaller, and are made between epochs. ``rewound``: the epochs of
    the dense run, whose last learning rates each round repeats (0: its own)."""

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
        return cosine(self.schedule.lr, (length - epochs + epoch - start) * steps + step, length * steps)


def make_training_plan(spec: RunSpec) -> TrainingPlan:
    """The plan of ``spec``'s training: of the dense network, or of what is left after pruning."""
    schedule, settings = spec.retrain, dict(spec.settings)
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


def cosine(lr: float, step: int, total: int) -> float:
    """The learning rate at ``step`` of ``total``: from ``lr`` down to 0 along half a cosine."""
    return lr * 0.5 * (1 + math.cos(math.pi * step / total))


def _split(epochs: int, rounds: int) -> tuple[int, ...]:
    """``epochs`` as evenly as whole ones allow; later rounds, which have lost more, get the rest."""
    return tuple((epochs + n) // rounds for n in range(rounds))
