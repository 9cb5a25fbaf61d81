"""What recovers a pruned network: repair, a teacher and the course of the learning rate, each left out in turn.

    python -m benchmarks.recovery --data folder:PATH --home DIR > table.md

Prints the change of test accuracy against the dense networks, in points, for each way to recover and each sparsity: after
the cut, after repair, after retraining. Below each method's best way stands what is lost without one of its parts. All have
the same dense networks and the same budget, in training compute or in epochs. Stopped, it goes on when it is started again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.cli.options import add_dense_options, add_retraining_options, read_recipe
from core.cli.study import run_on_cluster
from core.runs.folder import Home
from core.runs.result import RunResult
from core.spec.errors import InputError
from core.spec.grid import with_dense
from core.spec.method import Scalar
from core.spec.methods import WITHOUT_RECOVERY
from core.spec.spec import COMPUTE, EPOCHS, TRIANGULAR, Recipe, RunSpec

SPARSITIES = (0.9, 0.5, 0.7, 0.95)  # in the order of interest
SEEDS = (42, 123)
Settings = dict[str, Scalar]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to recover: a method with the settings that are not its default, retrained along a ``triangle`` up to half of
    the dense learning rate with Nesterov's momentum, else along a cosine from a tenth of it; for as many epochs as cost the
    same ``budget`` of computation, else for the same epochs."""

    name: str
    method: str
    settings: Settings
    triangle: bool = True
    budget: str = COMPUTE

    def spec(self, recipe: Recipe, seed: int, sparsity: float) -> RunSpec:
        assert recipe.finetune is not None
        finetune = replace(recipe.finetune, lr=recipe.train.lr / 10)
        if self.triangle:
            finetune = replace(finetune, lr=recipe.train.lr / 2, decay=TRIANGULAR, nesterov=True)
        recipe = replace(recipe, budget=self.budget, finetune=finetune)
        return RunSpec(recipe, self.method, seed, sparsity, tuple(self.settings.items()))


# All parts of each method's recovery, and all but one; "none of it" is what there was before.
_TAUGHT: Settings = {"teacher": "dense"}
WAYS = (
    Way("Structured: all of it", "structured", _TAUGHT),
    Way("- without repair", "structured", {**_TAUGHT, "repair": "none"}),
    Way("- without teacher", "structured", {}),
    Way("- cosine from a tenth", "structured", _TAUGHT, triangle=False),
    Way("- the same epochs", "structured", _TAUGHT, budget=EPOCHS),
    Way("- folded instead of cut", "structured", {**_TAUGHT, "removal": "fold"}),
    Way("- gradually instead of at once", "structured", {**_TAUGHT, "schedule": "gradual"}),
    Way("- uniform instead of by cost", "structured", {**_TAUGHT, "allocation": "uniform"}),
    Way("- none of it", "structured", dict(WITHOUT_RECOVERY), triangle=False, budget=EPOCHS),
    Way("Magnitude: all of it", "magnitude", _TAUGHT),
    Way("- without repair", "magnitude", {**_TAUGHT, "repair": "none"}),
    Way("- without teacher", "magnitude", {}),
    Way("- cosine from a tenth", "magnitude", _TAUGHT, triangle=False),
    Way("- gradually instead of at once", "magnitude", {**_TAUGHT, "schedule": "gradual"}),
    Way("- none of it", "magnitude", dict(WITHOUT_RECOVERY), triangle=False, budget=EPOCHS),
    Way("Lottery ticket, rewound to epoch 8", "lottery_ticket", {**_TAUGHT, "rewind_epoch": 8}),
    Way("- to epoch 2", "lottery_ticket", _TAUGHT),
    Way("- without teacher", "lottery_ticket", {"rewind_epoch": 8}),
    Way("Random filters: all of it", "random_filters", _TAUGHT),
    Way("From scratch, at the dense learning rate", "from_scratch", {"budget": "fine-tuning"}),
)


def runs(recipe: Recipe, seeds: Sequence[int], sparsities: Sequence[float]) -> list[RunSpec]:
    """The runs of the comparison: those that matter most first, so that a first look is possible early."""
    return with_dense(way.spec(recipe, seed, sparsity) for seed in seeds for sparsity in sparsities for way in WAYS)


def table(home: Home, recipe: Recipe, seeds: Sequence[int], sparsities: Sequence[float]) -> str:
    """The finished runs as a Markdown table: the mean change over seeds after the cut, after repair, after retraining."""
    head = ["Way to recover", *(f"{sparsity:g}" for sparsity in sorted(sparsities))]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for way in WAYS:
        specs = [[way.spec(recipe, seed, sparsity) for seed in seeds] for sparsity in sorted(sparsities)]
        lines.append([way.name, *(_changes(home, group) for group in specs)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _changes(home: Home, specs: Iterable[RunSpec]) -> str:
    """The mean over those of ``specs`` that are done, as "after cut / after repair / **after retraining** (seeds)"."""
    pairs = [(home.run(spec.run_id).result(), home.run(spec.dense.run_id).result()) for spec in specs]
    rows = [_change(run, dense) for run, dense in pairs if run is not None and dense is not None]
    if not rows:
        return "—"
    cut, repaired, retrained = np.mean(rows, axis=0)
    return f"{cut:+.1f} / {repaired:+.1f} / **{retrained:+.2f}** ({len(rows)})"


def _change(run: RunResult, dense: RunResult) -> tuple[float, float, float]:
    cut = run.accuracy_before_finetuning
    repaired = cut if run.accuracy_after_repair is None else run.accuracy_after_repair
    before = dense.test_accuracy
    return cut - before, repaired - before, run.test_accuracy - before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_dense_options(parser)
    add_retraining_options(parser)
    parser.set_defaults(preset="quick", finetune_epochs=3, batch_size=64)
    parser.add_argument("--sparsities", type=float, nargs="+", default=SPARSITIES)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args()
    try:
        recipe = read_recipe(options)
        home = Home(options.home).prepare()
        run_on_cluster(home, runs(recipe, options.seeds, options.sparsities))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(home, recipe, options.seeds, options.sparsities), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
