"""Commands for runs that are finished: ``export``, ``sensitivity``, ``examine`` and ``measure``."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.terminal import FAILED, print_error, print_status
from core.i18n import Message
from core.runs.folder import Home, RunFolder, State
from core.runs.latencies import latencies_path
from core.spec.errors import InputError, invalid_value

ALL = "all"
FORMATS = ("safetensors", "plain", "onnx", "onnx-int8")


def export(options: argparse.Namespace) -> int:
    """Write the network of a finished run to a file that other programs read."""
    folder = _find_finished(Home(options.home), options.run)
    ending = {"onnx": "onnx", "onnx-int8": "int8.onnx"}.get(options.format, "safetensors")
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
    """Measure the sensitivity curves of one finished dense run or of all, in this process."""
    home = Home(options.home)
    folders = _select_finished(home, options.run)
    if options.run == ALL:
        folders = [folder for folder in folders if folder.spec.is_dense]
    if not folders or not folders[0].spec.is_dense:
        raise invalid_value(
            "run",
            options.run,
            Message("a finished dense run in {path}: only these have sensitivity curves", path=home.path),
        )
    home.prepare()
    from core.engine.sensitivity import measure_sensitivity  # noqa: PLC0415 - as above

    for folder in folders:
        measure_sensitivity(folder.path, report=print_status)
        print(folder.sensitivity_path, flush=True)
    return 0


def examine(options: argparse.Namespace) -> int:
    """Diagnose the networks of one finished run or of all, and measure them in int8, in this process; what was done before
    is passed over."""
    home = Home(options.home)
    folders = _select_finished(home, options.run)
    if not folders:
        raise invalid_value("run", options.run, Message("a finished run in {path}", path=home.path))
    home.prepare()
    from core.engine.diagnose import diagnose_run  # noqa: PLC0415 - as above
    from core.engine.int8 import measure_int8_of  # noqa: PLC0415 - as above

    status = 0
    for folder in folders:
        try:
            diagnose_run(folder.path)
            measure_int8_of(folder.path)
            print(folder.diagnostics_path, flush=True)
        except InputError as error:  # of one run: the others are diagnosed all the same
            status = FAILED
            print_error(error.message)
    return status


def measure(options: argparse.Namespace) -> int:
    """Time all network shapes of a study in one go, in this process, while its other runs here wait."""
    from core.report.study import find_study  # noqa: PLC0415 - loads the chart library

    home = Home(options.home)
    recipe = find_study(home, options.recipe).key
    home.prepare()
    from core.engine.measure import measure as measure_study  # noqa: PLC0415 - as above

    measure_study(home, recipe, report=print_status)
    print(latencies_path(home, recipe), flush=True)
    return 0


def _select_finished(home: Home, name: str) -> list[RunFolder]:
    """Every finished run for ``all``, else the one called ``name``."""
    if name != ALL:
        return [_find_finished(home, name)]
    return [folder for folder in home.runs() if folder.state() == State.DONE]


def _find_finished(home: Home, name: str) -> RunFolder:
    """The finished run whose id is ``name`` or, if there is only one such, begins with it; InputError otherwise."""
    folder = _find_run(home, name)
    state, failure = folder.describe()
    if state == State.DONE:
        return folder
    worded = Message(state.value)
    if failure is None:
        raise InputError("{run} is {state}: give a finished run.", run=folder.run_id, state=worded)
    raise InputError(
        "{run} is {state} ({reason}): give a finished run.", run=folder.run_id, state=worded, reason=failure.message
    )


def _find_run(home: Home, name: str) -> RunFolder:
    matches = [folder for folder in home.runs() if folder.run_id.startswith(name)]
    exact = [folder for folder in matches if folder.run_id == name]
    if len(matches) > 1 and not exact:
        some = " and ".join(folder.run_id for folder in matches[:2])
        raise invalid_value(
            "run", name, Message("more of the id, as {n} runs begin so, {some} among them", n=len(matches), some=some)
        )
    if not matches:
        raise invalid_value(
            "run", name, Message("the id of a run in {checkpoints}, or its beginning", checkpoints=home.checkpoints)
        )
    return (exact or matches)[0]
