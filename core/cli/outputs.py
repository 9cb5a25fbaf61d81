"""Write files about the finished runs of a study: ``evaluate``, ``plot`` and ``report``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.terminal import print_status
from core.runs.folder import Home

if TYPE_CHECKING:
    from core.report.study import Study


def evaluate(options: argparse.Namespace) -> int:
    """Write the results of a study as JSON and as tables."""
    from core.report.export import write_results  # noqa: PLC0415 - loads the chart library, which most commands do without
    from core.report.tables import PRINTED_COLUMNS, check_columns  # noqa: PLC0415 - as above

    columns = check_columns(options.columns or PRINTED_COLUMNS)
    return _write_files(options, partial(write_results, columns=columns))


def plot(options: argparse.Namespace) -> int:
    """Draw the figures of a study."""
    from core.report.export import write_figures  # noqa: PLC0415 - as above

    return _write_files(options, partial(write_figures, titles=not options.no_titles))


def report(options: argparse.Namespace) -> int:
    """Write the report on a study, with all that it shows and links to."""
    from core.report.export import figure_language, write_report  # noqa: PLC0415 - as above

    if figure_language(options.language) != options.language:
        print_status(
            "The figures are in English, because no font on this computer has Korean letters: install one, such as "
            "NanumGothic (on Debian and Ubuntu: apt install fonts-nanum), and write the report again."
        )
    return _write_files(options, partial(write_report, language=options.language))


def _write_files(options: argparse.Namespace, write: Callable[[Study, Path], list[Path]]) -> int:
    """Let ``write`` write its files about the study of ``--recipe``, else the newest; print their paths."""
    from core.report.export import output_folder  # noqa: PLC0415 - as above
    from core.report.study import find_study  # noqa: PLC0415 - as above

    home = Home(options.home)
    study = find_study(home, options.recipe)
    if study.others and options.recipe is None:
        others = "; ".join(f"{key} ({label})" for key, label in study.others.items())
        print_status(f"This is the newest study, {study.label}. Others, with --recipe: {others}.")
    for path in write(study, output_folder(options.out or home.path / "outputs" / study.name)):
        print(path, flush=True)
    return 0
