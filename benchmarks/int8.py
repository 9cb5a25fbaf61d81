"""Networks in int8 beside float32: what each form takes, and what int8 costs in accuracy.

    python -m benchmarks.int8 [--quick] [--width 64]
    python -m benchmarks.int8 --home DIR [RUN ...]

Milliseconds a picture, median (quartiles), all taking turns in one process: batch 1 on one thread, the large batch on all.
Ratios are against the dense network in float32 as PyTorch executes it. Weights are random, which time does not depend on;
with a home, the networks are those of finished runs there, each beside its dense one, and their accuracy on test pictures
is measured, too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import nn

from benchmarks._common import machine, options, show
from core.engine.context import RunContext
from core.engine.int8 import CALIBRATION, OnnxNetwork, evaluate_onnx, quantise, time_beside_int8
from core.engine.latency import OPTIMISED, large_batch, speedup, timing
from core.engine.networks.build import resnet18
from core.engine.networks.layers import example_of
from core.engine.pruning.structured import structured_prune_filters
from core.runs.folder import Home, State

SECONDS, QUICK_SECONDS = 3.0, 0.02
HEAD = ["Network", "Batch", "Form", "ms a picture", "Ratio", "95 %"]
FORMS = {"dense": "dense, eager", f"dense{OPTIMISED}": "dense, optimised", "this": "eager"}
FORMS |= {f"this{OPTIMISED}": "optimised", "int8": "int8"}


def measure(name: str, networks: Mapping[str, nn.Module], content: bytes, *, quick: bool) -> None:
    """A table of the times of "dense" and "this" of ``networks``, and of the latter in int8, the file with ``content``."""
    rows = []
    for batch in (1, 4 if quick else large_batch(torch.device("cpu"))):
        times = time_beside_int8(networks, content, batch, QUICK_SECONDS if quick else SECONDS)
        for form, label in FORMS.items():
            if form in times:
                one, ratio = timing(batch, times[form]), speedup(times["dense"], times[form])
                text = f"{one.median_ms:.3f} ({one.q1_ms:.3f}-{one.q3_ms:.3f})"
                rows.append([name, f"{batch}", label, text, f"{ratio.ratio:.2f}", f"{ratio.low:.2f}-{ratio.high:.2f}"])
    show(name, HEAD, rows, texts=3)


def random_networks(width: int) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """Of random weights, with running statistics as after training, without which activations would vanish."""
    dense = resnet18(width, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(3):
            dense.train()(torch.randn(16, *example_of(dense).shape[1:], generator=generator))
    dense.eval()
    yield "dense", dense, dense
    for round_to in (1, 8):
        small = structured_prune_filters(dense, 0.9, allocation="uniform", round_to=round_to).eval()
        yield f"structured 0.9, channels a multiple of {round_to}", small, dense


def trained_networks(home: Home, names: list[str], *, timing: bool, quick: bool) -> None:
    """The accuracy and the files of finished runs whose ids begin with ``names``, and their times."""
    rows = []
    for folder in home.runs():
        if folder.state() != State.DONE or (names and not folder.run_id.startswith(tuple(names))):
            continue
        context = RunContext(folder)
        model, dense = context.load(folder), context.load(context.dense_folder)
        content = quantise(model, context.sample(CALIBRATION)[0])
        result = folder.result()
        assert result is not None
        accuracy = evaluate_onnx(content, context.test_images)
        rows.append(
            [
                folder.run_id,
                f"{result.test_accuracy:.2f}",
                f"{accuracy:.2f}",
                f"{accuracy - result.test_accuracy:+.2f}",
                f"{result.model_size_mb:.3f}",
                f"{len(content) / 1e6:.3f}",
            ]
        )
        if timing:
            measure(folder.run_id, {"dense": dense, "this": model}, content, quick=quick)
    show("Accuracy (%) and file (MB)", ["Run", "float32", "int8", "Change", "PruneScope file", "int8 ONNX"], rows)


def main() -> int:
    chosen = options(
        __doc__,
        ("--width", {"type": int, "default": 64}),
        ("--home", {"type": Path, "help": "finished runs to take the networks from"}),
        ("--no-timing", {"action": "store_true", "help": "accuracy and files only"}),
        ("runs", {"nargs": "*", "metavar": "RUN", "help": "beginnings of the ids of runs (default: all)"}),
    )
    print(f"{machine()}, {torch.get_num_threads()} threads\n", flush=True)
    if chosen.home:
        trained_networks(Home(chosen.home), chosen.runs, timing=not chosen.no_timing, quick=chosen.quick)
        return 0
    for name, model, dense in random_networks(8 if chosen.quick else chosen.width):
        pictures = torch.randn(64, *example_of(model).shape[1:], generator=torch.Generator().manual_seed(1))
        content = quantise(model, pictures)
        assert OnnxNetwork(content)(pictures.numpy()).shape == (64, 10)
        measure(name, {"dense": dense, "this": model}, content, quick=chosen.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
