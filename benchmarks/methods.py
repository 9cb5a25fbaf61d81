"""Compare every method, its main variants and the baselines on real pictures.

    python -m benchmarks.methods --data folder:PATH --home DIR > table.md

Prints the efficiency table as Markdown, and below it what came before fine-tuning and what speed was measured. Each method
has the epochs that it has by default. Stopped, it goes on when it is started again. Latency is timed while nothing else
trains on this machine, in turns with the dense network.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from core.cli.options import add_dense_options, add_retraining_options, read_recipe
from core.cli.study import run_on_cluster
from core.report.tables import with_interval
from core.results.frame import Results, study_frame
from core.results.statistics import summarise
from core.runs.folder import Home
from core.spec.errors import InputError
from core.spec.grid import with_dense
from core.spec.method import Scalar
from core.spec.methods import METHODS
from core.spec.spec import Recipe, RunSpec

SPARSITIES = (0.9, 0.5, 0.7, 0.95)  # in the order of interest
SEED, SECOND_SEED = 42, 123
Variant = tuple[str, dict[str, Scalar]]
REWOUND: Variant = ("lottery_ticket", {"rewind_epoch": 2})
ALLOCATIONS: tuple[Variant, ...] = tuple(("structured", {"allocation": name}) for name in ("uniform", "global", "cost"))
# At every sparsity with one seed; with two; and at the first sparsity only.
EVERYWHERE: tuple[Variant, ...] = (*((name, {}) for name in METHODS), REWOUND, *ALLOCATIONS[1:])
TWICE: tuple[Variant, ...] = (("magnitude", {}), REWOUND, *ALLOCATIONS)
ONCE: tuple[Variant, ...] = (
    *(("magnitude", {"allocation": name}) for name in ("uniform", "erk", "lamp")),
    *(("magnitude", {"schedule": name}) for name in ("iterative", "gradual")),
    ("magnitude", {"retraining": "lr-rewinding"}),
    *(("structured", {"criterion": name}) for name in ("l2", "bn_scale", "taylor")),
    ("structured", {"retraining": "lr-rewinding"}),
)


def runs(recipe: Recipe) -> list[RunSpec]:
    """The runs of the comparison: those that matter most first, so that a first look is possible early."""
    plans = (
        (SEED, EVERYWHERE, SPARSITIES),
        (SECOND_SEED, TWICE, SPARSITIES),
        (SEED, ONCE, SPARSITIES[:1]),
    )
    return with_dense(
        RunSpec(recipe, name, seed, sparsity, tuple(settings.items()))
        for seed, variants, sparsities in plans
        for sparsity in sparsities
        for name, settings in variants
    )


def table(home: Home, recipe: Recipe) -> str:
    """All finished runs of ``recipe`` as a Markdown table, a row for each variant and sparsity."""
    summary = summarise(study_frame(Results(home).frame(), recipe.key))
    head = ["Method", "Sparsity", "n", "Accuracy %", "before fine-tuning", "Filters gone", "Parameters M", "MAC ratio"]
    head += ["Size MB", "Speed-up, batch 1", "Speed-up, large batch"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [_line(row) for _, row in summary.iterrows()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _line(row: pd.Series[float]) -> list[str]:
    return [
        str(row["variant"]),
        f"{row['sparsity']:g}",
        str(row["n"]),
        with_interval(row["test_accuracy"], row["test_accuracy_ci"]),
        f"{row['accuracy_before_finetuning']:.1f}",
        f"{row['filter_ratio']:.0%}",
        f"{row['params_millions']:.4f}",
        f"{row['mac_ratio']:.2f}",
        f"{row['model_size_mb']:.3f}",
        f"{row['speedup']:.2f}",
        f"{row['batch_speedup']:.2f}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_dense_options(parser)
    add_retraining_options(parser)
    parser.set_defaults(preset="quick")
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args()
    try:
        recipe = read_recipe(options)
        home = Home(options.home).prepare()
        run_on_cluster(home, runs(recipe))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(home, recipe), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
