"""The time of pruned networks as it is predicted from a table of layer times, and as it is measured.

    python -m benchmarks.latency_budget [--quick] [--width 32] [--plot FILE.png]

Shares of the dense network's time, both as they are delivered, for a picture at a time and for a large batch: the networks
are those of every allocation at several sparsities, and of latency budgets. Dense and pruned are timed in turns; the table
was measured before, each shape once.
"""

from __future__ import annotations

import statistics
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import torch

from benchmarks._common import machine, options, show
from core.engine.latency import large_batch, time_deployed
from core.engine.layer_times import LatencyModel, LayerTimes
from core.engine.networks.build import resnet18
from core.engine.networks.channels import channels_of
from core.engine.networks.layers import Network, example_of, layer_shapes
from core.engine.pruning.channel_allocation import Costs, Target, allocate
from core.engine.pruning.channel_importance import l1
from core.engine.pruning.shrink import shrink
from core.spec.methods import METHODS


class Budget(float):
    """A share of the dense network's time."""


SPARSITIES, BUDGETS = (0.3, 0.5, 0.7, 0.9), tuple(map(Budget, (0.7, 0.5, 0.35, 0.25)))
ALLOCATIONS = tuple(map(str, METHODS["structured"].setting("allocation").choices))
SECONDS, QUICK_SECONDS = 0.5, 0.01
HEAD = ["Batch", "Allocation", "Target", "Predicted", "Measured", "Error, %"]


def measure(dense: Network, batch: int, seconds: float) -> list[dict[str, Any]]:
    """Each pruned network's predicted and measured share of the dense network's time."""
    example = example_of(dense)
    channels = channels_of(dense, example)
    began = time.perf_counter()
    table = LatencyModel(dense, channels, example, LayerTimes(batch, torch.device("cpu"), None))
    costs, importance = Costs.of(dense, channels, example, table), l1(dense, channels, lambda n: (example, example))
    found = []
    for allocation, aim in [*product(ALLOCATIONS, SPARSITIES), *product(("cost", "latency"), BUDGETS)]:
        by_time = isinstance(aim, Budget)
        target = Target.of(1 - aim if by_time else aim, dense, example, table if by_time else None)
        kept = allocate(costs, importance, target, allocation=allocation)
        small = shrink(dense, kept, example).eval()
        left = {name: channels.left_of(name, layer_shapes(small)) for name in channels.groups}
        times = time_deployed({"dense": dense, "this": small}, batch, seconds=seconds)
        whole, this = (one.optimised or one.eager for one in (times["dense"], times["this"]))
        found.append(
            {
                "batch": batch,
                "allocation": allocation,
                "target": f"at most {aim:g}x" if by_time else f"sparsity {aim:g}",
                "predicted": table.share(left),
                "measured": this.median_ms / whole.median_ms,
            }
        )
    print(f"Batch {batch}: table and networks in {time.perf_counter() - began:.0f} s.", flush=True)
    return found


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    frame = pd.DataFrame(rows)
    frame["batch"] = frame["batch"].map("batch {}".format)
    scale = alt.Scale(domain=[0, 1.05])
    points = (
        alt.Chart(frame)
        .mark_point(filled=True, size=50)
        .encode(
            alt.X("predicted:Q", scale=scale, title="Predicted share of the dense network's time"),
            alt.Y("measured:Q", scale=scale, title="Measured share"),
            alt.Color("allocation:N", title="Allocation"),
            alt.Shape("batch:N", title=None),
        )
    )
    line = alt.Chart(pd.DataFrame({"x": [0, 1.05]})).mark_line(color="grey", strokeDash=[4, 4]).encode(x="x:Q", y="x:Q")
    (line + points).properties(width=340, height=340).save(str(path), ppi=110)


def main() -> int:
    chosen = options(
        __doc__,
        ("--width", {"type": int, "default": 32}),
        ("--plot", {"type": Path, "metavar": "FILE.png"}),
    )
    dense = resnet18(16 if chosen.quick else chosen.width, seed=0).eval()
    print(f"{machine()}, {torch.get_num_threads()} threads\n", flush=True)
    rows = []
    for batch in (1, 4 if chosen.quick else large_batch(torch.device("cpu"))):
        rows += measure(dense, batch, QUICK_SECONDS if chosen.quick else SECONDS)
    for row in rows:
        row["error"] = 100 * (row["predicted"] / row["measured"] - 1)
    cells = [
        [f"{row['batch']}", row["allocation"], row["target"], *(f"{row[name]:.3f}" for name in ("predicted", "measured")),
         f"{row['error']:+.1f}"]
        for row in rows
    ]  # fmt: skip
    show("Prediction and measurement", HEAD, cells, texts=3)
    errors = [abs(row["error"]) for row in rows]
    within = sum(error <= 10 for error in errors)
    print(f"Median error {statistics.median(errors):.1f} %, {within} of {len(errors)} within 10 %.")
    if chosen.plot:
        plot(rows, chosen.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
