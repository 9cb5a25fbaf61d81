"""Train one run: ``train-dense`` and ``train-pruned``."""

from __future__ import annotations

import argparse
import json
import os

from core.cli.options import check_inputs, read_recipe, read_settings
from core.cli.study import run_on_cluster
from core.cli.terminal import FAILED, print_status
from core.jobs.cluster import SCHEDULER_VARIABLE
from core.jobs.task import run_task
from core.runs.events import printing_events
from core.runs.folder import Home, RunFolder, State
from core.spec.errors import InputError
from core.spec.grid import with_dense
from core.spec.methods import DENSE, find_method
from core.spec.spec import RunSpec


def import_network(options: argparse.Namespace) -> int:
    """Make a network that was trained elsewhere the dense run of a study."""
    if options.weights is None:
        raise InputError("Give the trained weights: --weights FILE.safetensors")
    return train_dense(options)


def train_dense(options: argparse.Namespace) -> int:
    """Train one dense run in this process."""
    return _train(options, RunSpec(read_recipe(options), DENSE, options.seed))


def train_pruned(options: argparse.Namespace) -> int:
    """Train one pruned run in this process, and its dense run first if that is not there yet."""
    method = find_method(options.method)
    settings = read_settings(options.set, (method.name,), as_published=options.published)[method.name]
    spec = RunSpec(read_recipe(options), method.name, options.seed, options.sparsity, tuple(settings.items()))
    return _train(options, spec)


def _train(options: argparse.Namespace, spec: RunSpec) -> int:
    """Execute ``spec`` and its dense run, in this process unless a scheduler is named; print the result record."""
    home = Home(options.home).prepare()
    if home.run(spec.run_id).state() != State.DONE:
        folders = _run(options, home, spec)
        for folder in folders:
            state, failure = folder.describe()
            if state != State.DONE:
                print_status(f"{folder.run_id} {state}" + (f": {failure.message}" if failure else "."))
                return FAILED
    result = home.run(spec.run_id).result()
    assert result is not None
    print(json.dumps(result.to_json()), flush=True)
    return 0


def _run(options: argparse.Namespace, home: Home, spec: RunSpec) -> list[RunFolder]:
    if os.environ.get(SCHEDULER_VARIABLE):
        return run_on_cluster(home, [spec], options.weights)
    check_inputs(home, [spec], options.weights)
    folders = [home.create(needed) for needed in with_dense([spec])]
    for folder in folders:
        if folder.state() in (State.CANCELLED, State.FAILED):
            folder.enqueue()
        owner = folder.holder()
        if owner is not None and owner.alive:
            print_status(f"{folder.run_id} is being executed by process {owner.pid} on {owner.host}: waiting for it.")
    with printing_events(folders, print_status):
        run_task(str(folders[-1].path))
    return folders
