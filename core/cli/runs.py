"""Commands for runs that are finished: take the network away, examine it, measure the sensitivity curves."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.i18n import Message
from core.runs.diagnostics import diagnostics_path
from core.runs.folder import Home, RunFolder, State
from core.runs.sensitivity import sensitivity_path
from core.spec.errors import InputError, invalid_value


def export(options: argparse.Namespace) -> int:
    """Write the network of a finished run to a file that other programs read."""
    folder = _finished(_find_run(Home(options.home), options.run))
    ending = "onnx" if options.format == "onnx" else "safetensors"
    path: Path = options.output or Path(f"{folder.run_id}.{ending}")
    if options.half and options.format != "safetensors":
        raise InputError("--half goes with --format safetensors only: the other files are written in float32.")
    if path.is_dir():
        raise invalid_value("--output", str(path), Message("a file, not a folder"))
    if path.exists() and not options.force:
        raise InputError("{path} exists: give --force to overwrite it, or another place with --output.", path=path)
    from core.engine.export import export as write  # noqa: PLC0415 - loads torch: not before the rest is checked

    write(folder, options.format, path, half=options.half)
    print(f"{path} ({path.stat().st_size / 1e6:.3f} MB)", flush=True)
    return 0


def sensitivity(options: argparse.Namespace) -> int:
    """Compute the sensitivity curves of one finished dense run or of all, in this process."""
    home = Home(options.home)
    if options.run == "all":
        folders = [folder for folder in home.runs() if folder.state() == State.DONE and folder.spec.is_dense]
    else:
        folders = [_finished(_find_run(home, options.run))]
    if not folders or not folders[0].spec.is_dense:
        raise invalid_value(
            "run",
            options.run,
            Message("a finished dense run in {path}: only these have sensitivity curves", path=home.path),
        )
    home.prepare()
    from core.engine.sensitivity import measure_sensitivity  # noqa: PLC0415 - as above

    for folder in folders:
        measure_sensitivity(folder.path, say=lambda line: print(line, file=sys.stderr, flush=True))
        print(sensitivity_path(folder), flush=True)
    return 0


def examine(options: argparse.Namespace) -> int:
    """Examine the networks of one finished run or of all, in this process; what was examined before is passed over."""
    home = Home(options.home)
    if options.run == "all":
        folders = [folder for folder in home.runs() if folder.state() == State.DONE]
    else:
        folders = [_finished(_find_run(home, options.run))]
    if not folders:
        raise invalid_value("run", options.run, Message("a finished run in {path}", path=home.path))
    home.prepare()
    from core.engine.diagnose import diagnose_run  # noqa: PLC0415 - as above

    problems = 0
    for folder in folders:
        try:
            diagnose_run(folder.path)
            print(diagnostics_path(folder), flush=True)
        except InputError as error:  # of one run: the others are examined all the same
            problems += 1
            print(error, file=sys.stderr, flush=True)
    return 1 if problems else 0


def _find_run(home: Home, name: str) -> RunFolder:
    """The run whose id is ``name`` or, if there is only one such, begins with it."""
    found = [folder for folder in home.runs() if folder.run_id.startswith(name)]
    exact = [folder for folder in found if folder.run_id == name]
    if len(found) > 1 and not exact:
        some = " and ".join(folder.run_id for folder in found[:2])
        raise invalid_value(
            "run", name, Message("more of the id, as {n} runs begin so, {some} among them", n=len(found), some=some)
        )
    if not found:
        raise invalid_value(
            "run", name, Message("the id of a run in {checkpoints}, or its beginning", checkpoints=home.checkpoints)
        )
    return (exact or found)[0]


def _finished(folder: RunFolder) -> RunFolder:
    state, failure = folder.describe()
    if failure is not None:
        raise InputError(
            "{run} is {state} ({reason}): give a finished run.", run=folder.run_id, state=state, reason=failure.message
        )
    if state != State.DONE:
        raise InputError("{run} is {state}: give a finished run.", run=folder.run_id, state=state)
    return folder
