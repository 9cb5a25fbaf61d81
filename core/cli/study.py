"""Run a whole study on the cluster: ``study``."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from core.cli.options import check_inputs, read_recipe, read_settings
from core.cli.terminal import FAILED, print_error, print_status
from core.jobs.cluster import check_scheduler
from core.jobs.queue import Queue
from core.jobs.task import MEASURE_AFTER_LAST, measure_study
from core.jobs.workers import runs_at_once
from core.labels import duration
from core.runs.estimate import read_throughputs, time_left
from core.runs.events import POLL_SECONDS, EventPrinter
from core.runs.failure import DeviceUnusableError
from core.runs.folder import REPOSITORY, Home, RunFolder, State
from core.runs.status import Statuses
from core.spec.errors import InputError
from core.spec.grid import study_runs, with_dense
from core.spec.methods import METHODS, default_methods, find_method
from core.spec.presets import PROPOSED_SPARSITIES, SEEDS, SPARSITIES
from core.spec.spec import Recipe, RunSpec

RECONCILE_SECONDS = 30.0
QUICK_SEEDS = (42,)


def study(options: argparse.Namespace) -> int:
    """Run a whole study on the cluster, wait for it, and write its tables, figures and reports."""
    sparsities = options.sparsities or (PROPOSED_SPARSITIES if options.quick else SPARSITIES)
    seeds = options.seeds or (QUICK_SEEDS if options.quick else SEEDS)
    recipe = read_recipe(options)
    methods = [find_method(name).name for name in options.methods or _usable_methods(recipe)]
    settings = read_settings(options.set, methods, as_published=options.published)
    specs = study_runs(recipe, methods, sparsities, seeds, settings)
    home = Home(options.home)
    if options.skip_dense:
        _require_dense(home, specs)
    folders = run_on_cluster(home.prepare(), specs, options.weights)
    states = [folder.state() for folder in folders]
    done = states.count(State.DONE)
    if folders and done == len(states) and not specs[-1].is_dense:
        with suppress(DeviceUnusableError):  # the study has the speed-ups that were measured amid it
            measure_study(folders[-1].path, MEASURE_AFTER_LAST)
        _write_outputs(home, specs[-1].recipe)
    where = "" if options.home == REPOSITORY else f"PRUNESCOPE_HOME={shlex.quote(str(options.home))} "
    print_status(f"{done} of {len(states)} runs are done. Look at them with: {where}streamlit run app.py")
    return 0 if done == len(states) else FAILED


def _usable_methods(recipe: Recipe) -> list[str]:
    """The methods that a study has by default: of imported weights, those that go on from them."""
    return [name for name in default_methods() if not (recipe.imported and METHODS[name].restarts)]


def _require_dense(home: Home, specs: Sequence[RunSpec]) -> None:
    missing = [spec.run_id for spec in specs if spec.is_dense and home.run(spec.run_id).state() != State.DONE]
    if missing:
        raise InputError("--skip-dense needs dense runs that are done; missing: {choices}.", choices=", ".join(missing))


def _write_outputs(home: Home, recipe: Recipe) -> None:
    """Write tables, figures and reports about the runs of ``recipe``."""
    from core.report.export import output_folder, write_everything  # noqa: PLC0415 - loads the chart library
    from core.report.study import find_study  # noqa: PLC0415 - loads the chart library

    found = find_study(home, recipe.key)
    out = output_folder(home.path / "outputs" / found.name)
    write_everything(found, out)
    print_status(f"Tables, figures and reports are in {out}.")


def run_on_cluster(home: Home, specs: Sequence[RunSpec], weights: Path | None = None) -> list[RunFolder]:
    """Submit ``specs`` and wait until all have ended; runs that the cluster loses meanwhile are submitted again."""
    check_scheduler()
    check_inputs(home, specs, weights)
    queue = Queue(home)
    folders = [home.create(spec) for spec in with_dense(specs)]
    printer = EventPrinter(folders, print_status)
    queue.submit(specs)
    try:
        _wait(home, queue, printer)
    except KeyboardInterrupt:
        for folder in folders:
            queue.cancel(folder.run_id)
        raise
    printer.poll()
    return folders


def _wait(home: Home, queue: Queue, printer: EventPrinter) -> None:
    reconciled, progress = time.monotonic(), ""
    while not printer.finished():
        printer.poll()
        time.sleep(POLL_SECONDS)
        if time.monotonic() - reconciled <= RECONCILE_SECONDS:
            continue
        try:
            queue.reconcile()
        except InputError as error:  # as while a scheduler is started again: what runs goes on
            print_error(error.message)
        before, progress = progress, describe_progress(home, printer.run_ids)
        if progress != before:
            print_status(progress)
        reconciled = time.monotonic()


def describe_progress(home: Home, run_ids: frozenset[str]) -> str:
    """How many of the runs called ``run_ids`` are done, and how long the rest will take."""
    runs = [run for run in Statuses(home).read() if run.run_id in run_ids]
    done = sum(run.state == State.DONE for run in runs)
    left = time_left(runs, read_throughputs(home), runs_at_once())
    guess = "" if left.measured else " (a rough guess)"
    return f"{done} of {len(runs)} runs are done, about {duration(left.seconds)} left{guess}."
