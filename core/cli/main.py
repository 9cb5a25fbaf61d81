"""The command line: the same runs, in the same folders, as the app launches."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from core.cli.options import add_dense_options, add_retraining_options
from core.cli.outputs import evaluate, plot, report
from core.cli.runs import FORMATS, examine, export, measure, sensitivity
from core.cli.study import study
from core.cli.terminal import BAD_INPUT, FAILED, INTERRUPTED, print_error, print_status
from core.cli.train import import_network, train_dense, train_pruned
from core.i18n import LANGUAGES, Message
from core.jobs.command import report_error
from core.runs.folder import Home
from core.spec.errors import InputError, OperationError, first_line, os_reason
from core.spec.methods import METHODS
from core.spec.presets import SEEDS

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status: 0 done, 1 a run failed, 2 bad input, 130 interrupted."""
    try:
        options = _parser().parse_args(arguments)
        status: int = options.command(options)
        return status
    except InputError as error:
        print_error(error.message)
        return BAD_INPUT
    except BrokenPipeError:
        # Whoever read the output has gone. Python must not fail on it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OperationError as error:
        print_error(error.message)
        return FAILED
    except OSError as error:
        print_error(Message("{path}: {reason}.", path=error.filename or Message("A file"), reason=os_reason(error)))
        return FAILED
    except Exception as error:
        # A mistake of ours: the app gets it in one line, and a terminal the traceback, to report it.
        report_error(Message("Unexpected {error}: {text}", error=type(error).__name__, text=first_line(error)))
        raise
    except KeyboardInterrupt:
        print_status("Stopped. The same command goes on where this one was.")
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError("{message} (see: {prog} --help)", message=message, prog=self.prog)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m core", description="Prune a network, measure what it buys, compare methods.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_training(commands)
    _add_run_commands(commands)
    _add_output_commands(commands)
    return parser


def _add_training(commands: Any) -> None:
    dense = _recipe_command(commands, "train-dense", train_dense, "train a dense network")
    importer = _recipe_command(commands, "import", import_network, "take a trained network as the dense run")
    pruned = _recipe_command(commands, "train-pruned", train_pruned, "prune a dense network and fine-tune it")
    pruned.add_argument("--method", required=True, help=", ".join(METHODS))
    pruned.add_argument(
        "--sparsity", type=float, required=True, help="share of the weights to remove, from 0 to below 1"
    )
    for command in (dense, importer, pruned):
        command.add_argument("--seed", type=int, default=SEEDS[0])
    grid = _recipe_command(commands, "study", study, "run methods x sparsities x seeds on the cluster")
    grid.add_argument("--quick", action="store_true", help="the same in small: few epochs, sparsities and seeds")
    grid.add_argument("--skip-dense", action="store_true", help="only reuse dense networks that are trained already")
    grid.add_argument("--methods", nargs="+", metavar="M", help=", ".join(METHODS))
    grid.add_argument("--sparsities", nargs="+", type=float, metavar="S")
    grid.add_argument("--seeds", nargs="+", type=int, metavar="N")
    for command in (pruned, grid):
        add_retraining_options(command)
        command.add_argument(
            "--published", action="store_true", help="methods as their papers had them, without recovery"
        )
        command.add_argument("--set", action="append", default=[], metavar="[METHOD.]NAME=VALUE", help="a setting")


def _add_run_commands(commands: Any) -> None:
    exporter = _command(commands, "export", export, "write the network of a finished run to a file")
    exporter.add_argument("run", metavar="RUN", help="the id of a run, or its beginning")
    formats = "safetensors: compressed; plain: safetensors that any program reads; onnx-int8: as it was measured"
    exporter.add_argument("--format", choices=FORMATS, required=True, help=formats)
    exporter.add_argument("--output", type=Path, metavar="FILE", help="default: RUN.safetensors or RUN.onnx, here")
    exporter.add_argument("--half", action="store_true", help="float16 instead of float32; safetensors only")
    exporter.add_argument("--force", action="store_true", help="overwrite the file if it is there")
    summary = "measure the accuracy without fine-tuning at many sparsities"
    curves = _command(commands, "sensitivity", sensitivity, summary)
    curves.add_argument("run", metavar="RUN", nargs="?", default="all", help="a dense run's id; default: all of them")
    summary = "find out what pruning did to each layer, which pictures are wrong now, and what int8 makes of it"
    diagnosis = _command(commands, "examine", examine, summary)
    diagnosis.add_argument(
        "run", metavar="RUN", nargs="?", default="all", help="a run's id; default: all finished ones"
    )


def _add_output_commands(commands: Any) -> None:
    results = _command(commands, "evaluate", evaluate, "write all_results.json and the efficiency table")
    results.add_argument("--columns", nargs="+", metavar="C", help="of the tables for a page: columns of the CSV")
    figures = _command(commands, "plot", plot, "draw the figures")
    figures.add_argument("--no-titles", action="store_true", help="for a paper, which has its captions below")
    text = _command(commands, "report", report, "write the report, its figures and its tables")
    latencies = _command(commands, "measure", measure, "time all networks of a study in one go, on an idle machine")
    text.add_argument("--language", choices=[*LANGUAGES], default="en", help=", ".join(LANGUAGES.values()))
    for command in (results, figures, text, latencies):
        command.add_argument("--recipe", metavar="KEY", help="which study, by key or label (default: the newest)")
    for command in (results, figures, text):
        command.add_argument("--out", type=Path, metavar="DIR", help="default: outputs/PRESET-KEY in the home")


def _recipe_command(commands: Any, name: str, function: Command, summary: str) -> argparse.ArgumentParser:
    command = _command(commands, name, function, summary)
    add_dense_options(command)
    return command


def _command(commands: Any, name: str, function: Command, summary: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    command.set_defaults(command=function)
    command.add_argument(
        "--home", type=Path, default=Home.default().path, metavar="DIR", help="holds cache/ and checkpoints/"
    )
    return command
