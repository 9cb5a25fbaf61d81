"""The reference study, without the cluster: a grid of runs and the baselines beside it, in as many slices as it takes.

    python -m benchmarks.reference_study --data folder:PATH --home DIR [--minutes M] [--records DIR]

Takes the runs that are missing in DIR, those at 0.9 first, for M minutes; stopped in any way, the same command goes on and
loses an epoch at most. After the last run it times all networks in one go and computes the sensitivity curves. --records:
where the records of what is done are copied to, without weights. Exit status 0: all is done; 3: there is more to do. With
another preset, width, methods, sparsities or seeds it is another study; it needs neither Dask nor the app's libraries.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from core.cli.options import add_dense_options, add_retraining_options, check_inputs, read_recipe, read_settings
from core.jobs.task import MEASURE_AFTER_LAST, SENSITIVITY, measure_study, run_task
from core.runs.folder import Home, RunFolder, State
from core.spec.errors import InputError
from core.spec.grid import study_runs, with_dense
from core.spec.method import load_function
from core.spec.methods import default_methods
from core.spec.presets import SEEDS, SPARSITIES
from core.spec.spec import Recipe, RunSpec
from samples.records import copy_records

MORE_TO_DO = 3
YEAR = 365.0 * 24 * 60  # in minutes
FIRST = 0.9  # the sparsity that papers compare at
BASELINES, BASELINE_SPARSITIES = ("random", "random_filters", "from_scratch"), (0.5, 0.9)
# Of twelve dense epochs, the eighth is where a rewound ticket loses least (docs/methods.md).
SETTINGS = ("lottery_ticket.rewind_epoch=8",)


def study(recipe: Recipe, options: argparse.Namespace) -> list[RunSpec]:
    """All runs in the order in which they are executed."""
    settings = read_settings(options.set, options.methods)
    grid = study_runs(recipe, options.methods, options.sparsities, options.seeds, settings)
    baselines = (
        study_runs(recipe, options.baselines, BASELINE_SPARSITIES, options.seeds[:1]) if options.baselines else []
    )
    return with_dense(sorted((*grid, *baselines), key=lambda spec: (not spec.is_dense, abs(FIRST - spec.sparsity))))


def execute(folders: Sequence[RunFolder], at_once: int, seconds: float) -> bool:
    """Execute ``folders``, ``at_once`` of them at a time; False if ``seconds`` were over before all had ended."""
    deadline = time.monotonic() + seconds
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // at_once))
    # Leaving the context ends its processes at once, in whatever they are; run folders take that.
    with multiprocessing.get_context("spawn").Pool(at_once) as pool:
        ended = pool.imap_unordered(run_task, [str(folder.path) for folder in folders])
        try:
            for number in range(1, len(folders) + 1):
                state = ended.next(max(0.0, deadline - time.monotonic()))
                print(f"{number} of {len(folders)}: {state}", file=sys.stderr, flush=True)
        except multiprocessing.TimeoutError:
            return False
    return True


def finish(folders: Sequence[RunFolder], seconds: float) -> bool:
    """Time the networks in one go and compute the curves of dense runs; False if ``seconds`` were not enough."""
    deadline = time.monotonic() + seconds
    measure_study(folders[-1].path, MEASURE_AFTER_LAST)
    curves = load_function(SENSITIVITY)
    return all(curves(folder.path, deadline - time.monotonic()) for folder in folders if folder.spec.is_dense)


def run(home: Home, specs: Sequence[RunSpec], at_once: int, seconds: float) -> bool:
    """Whether all of the study ``specs`` in ``home`` is done after ``seconds`` of it."""
    deadline = time.monotonic() + seconds
    folders = [home.create(spec) for spec in specs]
    waiting = [folder for folder in folders if folder.state() != State.DONE]
    for folder in waiting:
        folder.enqueue()
    if waiting and not execute(waiting, at_once, seconds):
        return False
    failed = [folder.run_id for folder in folders if folder.state() != State.DONE]
    if failed:
        raise InputError("These runs failed; the log in the folder of each says why: {runs}.", runs=", ".join(failed))
    return finish(folders, deadline - time.monotonic())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_dense_options(parser)
    add_retraining_options(parser)
    parser.set_defaults(preset="quick", width=24, finetune_epochs=3, batch_size=64)
    parser.add_argument("--methods", nargs="+", default=default_methods(), metavar="M")
    parser.add_argument("--baselines", nargs="*", default=BASELINES, metavar="M")
    parser.add_argument("--sparsities", nargs="+", type=float, default=SPARSITIES, metavar="S")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="N")
    parser.add_argument("--set", action="append", default=[*SETTINGS], metavar="[METHOD.]NAME=VALUE")
    parser.add_argument("--home", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float, default=YEAR, metavar="M")
    parser.add_argument("--at-once", type=int, default=os.cpu_count(), metavar="N", help="runs (default: one a core)")
    parser.add_argument("--records", type=Path, metavar="DIR")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(MORE_TO_DO))
    began = time.monotonic()
    try:
        specs, home = study(read_recipe(options), options), Home(options.home).prepare()
        check_inputs(home, specs, options.weights)
        complete = run(home, specs, options.at_once, 60 * options.minutes - (time.monotonic() - began))
        done = [folder for folder in map(home.run, (spec.run_id for spec in specs)) if folder.state() == State.DONE]
        if options.records:
            copy_records(home, done, Home(options.records))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(done)} of {len(specs)} runs are done.")
    return 0 if complete else MORE_TO_DO


if __name__ == "__main__":
    raise SystemExit(main())
