"""The command line: the same runs, in the same folders, as the app launches."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from core.cli.runs import examine, export, sensitivity
from core.i18n import Message
from core.jobs.cluster import SCHEDULER_VARIABLE, check_scheduler
from core.jobs.queue import Queue
from core.jobs.task import run_task
from core.jobs.workers import runs_at_once
from core.labels import duration
from core.runs.estimate import read_throughputs, time_left
from core.runs.events import POLL_SECONDS, EventPrinter, watching
from core.runs.folder import Home, RunFolder, State
from core.runs.status import Statuses
from core.spec.errors import InputError, invalid_value
from core.spec.grid import study_runs, with_dense
from core.spec.method import Scalar
from core.spec.methods import DENSE, METHODS, default_methods, find_method
from core.spec.presets import PRESETS, SEEDS, SPARSITIES, build_recipe
from core.spec.spec import Recipe, RunSpec

if TYPE_CHECKING:
    from core.report.study import Study

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_HOME = Path(os.environ.get("PRUNESCOPE_HOME") or REPOSITORY)
BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
RECONCILE_SECONDS = 30.0
QUICK_SPARSITIES, QUICK_SEEDS = (0.5, 0.9), (42,)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status: 0 done, 1 a run failed, 2 bad input, 130 interrupted."""
    try:
        options = _parser().parse_args(arguments)
        status: int = options.command(options)
        return status
    except InputError as error:
        return _complain(str(error), BAD_INPUT)
    except BrokenPipeError:
        # Whoever read the output has gone; nobody is left to tell, and Python must not show_error at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _complain(f"{error.filename or 'A file'}: {error.strerror or error}.", FAILED)
    except KeyboardInterrupt:
        return _complain("Stopped. The same command goes on where this one was.", INTERRUPTED)


def train_dense(options: argparse.Namespace) -> int:
    """Train one dense run in this process."""
    return _train(options, RunSpec(_recipe(options), DENSE, options.seed))


def train_pruned(options: argparse.Namespace) -> int:
    """Train one pruned run in this process, and its dense run first if that is not there yet."""
    method = find_method(options.method)
    given = _settings(options.set, (method.name,))[method.name]
    spec = RunSpec(_recipe(options), method.name, options.seed, options.sparsity, tuple(given.items()))
    return _train(options, spec)


def study(options: argparse.Namespace) -> int:
    """Run a whole study on the cluster, wait for it, and write its tables, figures and reports."""
    sparsities = options.sparsities or (QUICK_SPARSITIES if options.quick else SPARSITIES)
    seeds = options.seeds or (QUICK_SEEDS if options.quick else SEEDS)
    methods = [find_method(name).name for name in options.methods]
    specs = study_runs(_recipe(options), methods, sparsities, seeds, _settings(options.set, methods))
    home = Home(options.home)
    if options.skip_dense:
        _require_dense(home, specs)
    folders = run_on_cluster(home.prepare(), specs)
    states = [folder.state() for folder in folders]
    done = states.count(State.DONE)
    if done == len(states) and not specs[-1].is_dense:
        _write_everything(home, specs[-1].recipe)
    where = "" if options.home == REPOSITORY else f"PRUNESCOPE_HOME={shlex.quote(str(options.home))} "
    _say(f"{done} of {len(states)} runs are done. Look at them with: {where}streamlit run app.py")
    return 0 if done == len(states) else FAILED


def _write_everything(home: Home, recipe: Recipe) -> None:
    """Tables, figures and reports about the runs of ``recipe``; say where they are."""
    from core.report.export import output_folder, write_everything  # noqa: PLC0415 - loads the chart library
    from core.report.study import find_study  # noqa: PLC0415 - loads the chart library

    found = find_study(home, recipe.key)
    out = output_folder(home.path / "outputs" / found.name)
    write_everything(found, out)
    _say(f"Tables, figures and reports are in {out}.")


def evaluate(options: argparse.Namespace) -> int:
    """Write the results of a study as JSON and as tables."""
    from core.report.export import write_results  # noqa: PLC0415 - loads the chart library, which most commands do without

    return _write_files(options, write_results)


def plot(options: argparse.Namespace) -> int:
    """Draw the figures of a study."""
    from core.report.export import write_figures  # noqa: PLC0415 - as above

    return _write_files(options, write_figures)


def report(options: argparse.Namespace) -> int:
    """Write the report on a study, with all that it shows and links to."""
    from core.report.export import figure_language, write_report  # noqa: PLC0415 - as above

    if figure_language(options.language) != options.language:
        _say(
            "The figures are in English, because no font on this computer has Korean letters: install one, such as "
            "NanumGothic (on Debian and Ubuntu: apt install fonts-nanum), and write the report again."
        )
    return _write_files(options, partial(write_report, language=options.language))


def _write_files(options: argparse.Namespace, write: Callable[[Study, Path], list[Path]]) -> int:
    """Let ``write`` write its files about the study that was asked for, or the newest; print where they are."""
    from core.report.export import output_folder  # noqa: PLC0415 - as above
    from core.report.study import find_study  # noqa: PLC0415 - as above

    home = Home(options.home)
    found = find_study(home, options.recipe)
    if found.others and options.recipe is None:
        others = "; ".join(f"{key} ({label})" for key, label in found.others.items())
        _say(f"This is the newest study, {found.label}. Others, with --recipe: {others}.")
    for path in write(found, output_folder(options.out or home.path / "outputs" / found.name)):
        print(path, flush=True)
    return 0


def _train(options: argparse.Namespace, spec: RunSpec) -> int:
    """Execute ``spec`` and its dense run, in this process unless a scheduler is named; print the result record."""
    home = Home(options.home).prepare()
    if home.run(spec.run_id).state() != State.DONE:
        folders = run_on_cluster(home, [spec]) if os.environ.get(SCHEDULER_VARIABLE) else _in_this_process(home, spec)
        for folder in folders:
            state, failure = folder.describe()
            if state != State.DONE:
                return _complain(f"{folder.run_id} {state}" + (f": {failure.message}" if failure else "."), FAILED)
    result = home.run(spec.run_id).result()
    assert result is not None
    print(json.dumps(result.to_json()), flush=True)
    return 0


def _in_this_process(home: Home, spec: RunSpec) -> list[RunFolder]:
    _check_data(home, spec)
    folders = [home.create(needed) for needed in with_dense([spec])]
    for folder in folders:
        if folder.state() in (State.CANCELLED, State.FAILED):
            folder.enqueue()
        owner = folder.holder()
        if owner is not None and owner.alive:
            _say(f"{folder.run_id} is being executed by process {owner.pid} on {owner.host}: waiting for it.")
    with watching(folders, _say):
        run_task(str(folders[-1].path))
    return folders


def run_on_cluster(home: Home, specs: Sequence[RunSpec]) -> list[RunFolder]:
    """Submit ``specs`` and wait until all have come to an end; what the cluster loses meanwhile is handed over again."""
    _check_data(home, specs[0])
    check_scheduler()
    queue = Queue(home)
    folders = [home.create(spec) for spec in with_dense(specs)]
    watcher = EventPrinter(folders, _say)
    queue.submit(specs)
    reconciled = time.monotonic()
    standing = ""
    try:
        while not watcher.finished():
            watcher.look()
            time.sleep(POLL_SECONDS)
            if time.monotonic() - reconciled > RECONCILE_SECONDS:
                try:
                    queue.reconcile()
                except InputError as error:  # as while a scheduler is started again: what runs goes on
                    _say(str(error))
                before, standing = standing, _standing(home, {folder.run_id for folder in folders})
                if standing != before:
                    _say(standing)
                reconciled = time.monotonic()
    except KeyboardInterrupt:
        for folder in folders:
            queue.cancel(folder.run_id)
        raise
    watcher.look()
    return folders


def _standing(home: Home, run_ids: set[str]) -> str:
    """How far the runs called ``run_ids`` are, and how long the rest will take."""
    runs = [run for run in Statuses(home).read() if run.run_id in run_ids]
    done = sum(run.state == State.DONE for run in runs)
    left = time_left(runs, read_throughputs(home), runs_at_once())
    guess = "" if left.measured else " (a rough guess)"
    return f"{done} of {len(runs)} runs are done, about {duration(left.seconds)} left{guess}."


def _check_data(home: Home, spec: RunSpec) -> None:
    """Load the pictures once, before any run is made: InputError if they cannot be; progress goes to stderr."""
    from core.engine.data import load_dataset  # noqa: PLC0415 - loads torch: not before the rest is checked

    load_dataset(spec.recipe.data, home)


def _require_dense(home: Home, specs: list[RunSpec]) -> None:
    missing = [spec.run_id for spec in specs if spec.is_dense and home.run(spec.run_id).state() != State.DONE]
    if missing:
        raise InputError("--skip-dense needs dense runs that are done; missing: {choices}.", choices=", ".join(missing))


def _recipe(options: argparse.Namespace) -> Recipe:
    return build_recipe(
        options.preset or ("quick" if getattr(options, "quick", False) else "standard"),
        data=options.data,
        width=options.width,
        epochs=options.epochs,
        finetune_epochs=getattr(options, "finetune_epochs", None),
        batch_size=options.batch_size,
    )


def _settings(pairs: Sequence[str], methods: Sequence[str]) -> dict[str, dict[str, Scalar]]:
    """``name=value`` pairs as settings of those of ``methods`` that have a setting of that name, ``method.name=value`` as
    a setting of that method alone."""
    found: dict[str, dict[str, Scalar]] = {method: {} for method in methods}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        only, dot, short = name.rpartition(".")
        chosen = [only] if dot else methods
        owners = [(m, s) for m in methods if m in chosen for s in METHODS[m].settings if s.name == short]
        if not separator or not owners:
            known = sorted({setting.name for method in methods for setting in METHODS[method].settings})
            names = ", ".join(known) or "none, for this method"
            accepted = Message("NAME=VALUE or METHOD.NAME=VALUE with NAME one of {names}", names=names)
            raise invalid_value("--set", pair, accepted)
        for method, setting in owners:
            found[method][short] = setting.parse(text)
    return found


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError("{message} (see: {prog} --help)", message=message, prog=self.prog)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m core", description="Prune a ResNet-18, measure what it buys, compare methods.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    dense = _recipe_command(commands, "train-dense", train_dense, "train a dense network")
    dense.add_argument("--seed", type=int, default=SEEDS[0])
    pruned = _recipe_command(commands, "train-pruned", train_pruned, "prune a dense network and fine-tune it")
    pruned.add_argument("--method", required=True, help=", ".join(METHODS))
    pruned.add_argument(
        "--sparsity", type=float, required=True, help="share of the weights to remove, from 0 to below 1"
    )
    pruned.add_argument("--seed", type=int, default=SEEDS[0])
    whole = _recipe_command(commands, "study", study, "run methods x sparsities x seeds on the cluster")
    whole.add_argument("--quick", action="store_true", help="the same in small: few epochs, sparsities and seeds")
    whole.add_argument("--skip-dense", action="store_true", help="only reuse dense networks that are trained already")
    whole.add_argument("--methods", nargs="+", default=default_methods(), metavar="M", help=", ".join(METHODS))
    whole.add_argument("--sparsities", nargs="+", type=float, metavar="S")
    whole.add_argument("--seeds", nargs="+", type=int, metavar="N")
    for command in (pruned, whole):
        command.add_argument("--finetune-epochs", type=int, metavar="N")
        command.add_argument("--set", action="append", default=[], metavar="[METHOD.]NAME=VALUE", help="a setting")
    taken = _command(commands, "export", export, "write the network of a finished run to a file")
    taken.add_argument("run", metavar="RUN", help="the id of a run, or its beginning")
    forms = "safetensors: compressed; plain: safetensors that any program reads"
    taken.add_argument("--format", choices=("safetensors", "plain", "onnx"), required=True, help=forms)
    taken.add_argument("--output", type=Path, metavar="FILE", help="default: RUN.safetensors or RUN.onnx, here")
    taken.add_argument("--half", action="store_true", help="float16 instead of float32; safetensors only")
    taken.add_argument("--force", action="store_true", help="overwrite the file if it is there")
    summary = "measure the accuracy without fine-tuning at many sparsities"
    curves = _command(commands, "sensitivity", sensitivity, summary)
    curves.add_argument("run", metavar="RUN", nargs="?", default="all", help="a dense run's id; default: all of them")
    summary = "find out what pruning did to each layer, and which pictures are wrong now"
    examined = _command(commands, "examine", examine, summary)
    examined.add_argument("run", metavar="RUN", nargs="?", default="all", help="a run's id; default: all finished ones")
    results = _command(commands, "evaluate", evaluate, "write all_results.json and the efficiency table")
    drawn = _command(commands, "plot", plot, "draw the figures")
    told = _command(commands, "report", report, "write the report, its figures and its tables")
    told.add_argument("--language", choices=("en", "ko"), default="en", help="English or Korean")
    for command in (results, drawn, told):
        command.add_argument("--recipe", metavar="KEY", help="which study, by key or label (default: the newest)")
        command.add_argument("--out", type=Path, metavar="DIR", help="default: outputs/PRESET-KEY in the home")
    return parser


def _recipe_command(commands: Any, name: str, function: Any, summary: str) -> argparse.ArgumentParser:
    command = _command(commands, name, function, summary)
    command.add_argument("--preset", help=f"{', '.join(PRESETS)} (default: standard; with --quick, quick)")
    command.add_argument("--data", help="cifar10, synthetic or folder:PATH (default: the preset's)")
    command.add_argument("--width", type=int, help="channels of the first stage; 64 is ResNet-18")
    command.add_argument("--epochs", type=int, metavar="N", help="epochs of the dense training")
    command.add_argument("--batch-size", type=int, metavar="N", help="smaller for a GPU with little memory")
    return command


def _command(commands: Any, name: str, function: Any, summary: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    command.set_defaults(command=function)
    command.add_argument("--home", type=Path, default=DEFAULT_HOME, metavar="DIR", help="holds cache/ and checkpoints/")
    return command


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _complain(message: str, status: int) -> int:
    _say(message)
    return status
