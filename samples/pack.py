"""Take the sample study out of a home: its records and curves, and the tables and reports that follow from them.

    python -m samples.pack --home DIR [--recipe KEY]

Nothing is changed on the way: each record is copied byte by byte, with the seal that it was written with.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from core.report.export import write_everything
from core.report.study import Study, find_study
from core.results.sample import SAMPLE
from core.runs.folder import Home, RunFolder
from core.spec.errors import InputError
from core.spec.grid import study_runs
from core.spec.methods import default_methods
from core.spec.presets import SEEDS, SPARSITIES
from samples.records import copy_records

OUTPUTS = SAMPLE.path / "outputs"
_COLORS = 128  # of a shipped figure


def pack(home: Home, study: Study) -> int:
    """Put the records of ``study`` in ``home`` in place of the sample study; how many bytes the runs have."""
    shutil.rmtree(SAMPLE.path, ignore_errors=True)
    return copy_records(home, study.folders, SAMPLE)


def write_outputs() -> None:
    """Write tables, report and its figures from the records that are shipped, and from nothing else."""
    OUTPUTS.mkdir(parents=True, exist_ok=True)
    for path in write_everything(find_study(SAMPLE), OUTPUTS, drawn_in=("en",)):
        if path.suffix in (".svg", ".pdf"):  # as large as all the rest together, and the app draws them
            path.unlink()
        elif path.suffix == ".png":
            _shrink(path)


def _shrink(path: Path) -> None:
    """Save the figure with few colours: it looks the same, in a third of the bytes."""
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(_COLORS)
        small.save(path, optimize=True, dpi=image.info["dpi"])


def gaps(folders: Iterable[RunFolder]) -> list[str]:
    """The runs of the whole grid, methods x sparsities x seeds, that ``folders`` lack."""
    there = {(folder.spec.method, folder.spec.sparsity, folder.spec.seed): folder.spec for folder in folders}
    recipe = next(spec.recipe for spec in there.values() if not spec.is_dense)
    wanted = study_runs(recipe, default_methods(), SPARSITIES, SEEDS)
    return [spec.label for spec in wanted if (spec.method, spec.sparsity, spec.seed) not in there]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, metavar="DIR")
    parser.add_argument("--recipe", metavar="KEY")
    options = parser.parse_args()
    try:
        home = Home(options.home)
        study = find_study(home, options.recipe)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    missing = gaps(study.folders)
    if missing:
        print(f"The study is not complete: {', '.join(missing)}.", file=sys.stderr)
        return 1
    size = pack(home, study)
    write_outputs()
    print(f"{len(study.folders)} runs, {size / 1e6:.2f} MB of records, in {SAMPLE.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
