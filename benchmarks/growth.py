"""Time and memory of a study against the number of epochs, pictures, runs and workers, measured and plotted.

    python -m benchmarks.growth [--quick] [--out docs/growth]

Each point is a study on a fresh cluster in a fresh home: from submitting its dense runs to the last result, without
starting the cluster, and the most memory that scheduler and workers had to themselves. Read it so: seconds grow with the
work and no faster, memory with the workers and the pictures alone. Writes the figure as --out with .svg and .png.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import altair as alt
import pandas as pd
import psutil
import vl_convert

from benchmarks._common import NO_CURVES, machine, options, peak_memory, picture_folder, show
from core.jobs.cluster import address_path, stop_cluster, with_client
from core.jobs.queue import Queue
from core.jobs.workers import WORKERS_VARIABLE
from core.runs.atomic_io import parse_object
from core.runs.folder import Home, State
from core.spec.spec import Recipe, RunSpec, Schedule

WIDTH, BATCH = 8, 64


@dataclass(frozen=True, slots=True)
class Size:
    """A study of ``runs`` dense runs."""

    epochs: int = 2
    pictures: int = 1_000
    runs: int = 2
    workers: int = 2


AXES = {"epochs": (1, 2, 4, 8), "pictures": (500, 1_000, 2_000, 4_000), "runs": (1, 2, 4, 8), "workers": (1, 2, 4)}
START = Size()
QUICK_AXES, QUICK_START = {"runs": (1,)}, Size(1, 64, 1, 1)


def measure(size: Size, workdir: Path) -> tuple[float, float]:
    """Seconds, and the most memory in MB."""
    data = workdir / f"pictures-{size.pictures}"
    if not data.exists():
        picture_folder(data, size.pictures, max(10, size.pictures // 5))
    home = Home(workdir / "-".join(map(str, asdict(size).values()))).prepare()
    recipe = Recipe("growth", f"folder:{data}", WIDTH, Schedule(size.epochs, 0.05, BATCH), None)
    specs = [RunSpec(recipe, "dense", seed) for seed in range(size.runs)]
    os.environ[WORKERS_VARIABLE] = str(size.workers)
    try:
        with_client(home, lambda client: client.wait_for_workers(size.workers))
        cluster = psutil.Process(parse_object(address_path(home).read_bytes())["pid"])
        with peak_memory(cluster) as most:
            began = time.perf_counter()
            Queue(home, sensitivity=NO_CURVES).submit(specs)
            folders = [home.run(spec.run_id) for spec in specs]
            while any((state := folder.state()) != State.DONE for folder in folders):
                if state == State.FAILED:
                    raise SystemExit("A run failed: look into its folder's log.")
                time.sleep(0.05)
            seconds = time.perf_counter() - began
    finally:
        stop_cluster(home)
    return seconds, most[0] / 1e6


def draw(found: pd.DataFrame, title: str, path: Path) -> None:
    """The figure: a column for each axis, time above memory."""
    rows = []
    for label, column in (("Seconds", "seconds"), ("Memory, MB", "memory")):
        charts = []
        for axis in found["axis"].unique():
            points = found[found["axis"] == axis]
            base = alt.Chart(points).encode(
                x=alt.X("value:Q", title=axis.capitalize(), axis=alt.Axis(tickMinStep=1)),
                y=alt.Y(f"{column}:Q", title=label, scale=alt.Scale(domainMin=0)),
            )
            charts.append((base.mark_line() + base.mark_point(filled=True, size=50)).properties(width=170, height=130))
        rows.append(alt.hconcat(*charts))
    chart = alt.vconcat(*rows, title=alt.Title(title, anchor="start")).configure_view(stroke=None)
    path.with_suffix(".svg").write_text(vl_convert.vegalite_to_svg(chart.to_dict()))
    path.with_suffix(".png").write_bytes(vl_convert.vegalite_to_png(chart.to_dict(), scale=2))


def main() -> int:
    chosen = options(__doc__, ("--out", {"type": Path, "help": "where to draw the figure, without its ending"}))
    axes, start = (QUICK_AXES, QUICK_START) if chosen.quick else (AXES, START)
    print(f"{machine()}; width {WIDTH}, batches of {BATCH}, otherwise {asdict(start)}\n", flush=True)
    points = []
    with tempfile.TemporaryDirectory() as workdir:
        known: dict[Size, tuple[float, float]] = {}
        for axis, values in axes.items():
            for value in values:
                size = replace(start, **{axis: value})
                if size not in known:
                    known[size] = measure(size, Path(workdir))
                seconds, most = known[size]
                points.append({"axis": axis, "value": value, "seconds": seconds, "memory": most})
    found = pd.DataFrame(points)
    cells = [[str(p["axis"]), f"{p['value']:,}", f"{p['seconds']:.1f}", f"{p['memory']:,.0f}"] for p in points]
    show("Growth", ["Axis", "Value", "Seconds", "Memory, MB"], cells)
    if chosen.out:
        draw(found, f"{start.runs} runs, {start.epochs} epochs, {start.pictures:,} pictures unless varied", chosen.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
