"""Kill training again and again, and see that nothing is lost: ``python -m benchmarks.kill_loop --kills 200``.

A small study (dense, magnitude, structured; a width-4 network on 80 drawn pictures) is trained once without a disturbance.
Then each of its runs is killed with SIGKILL, resumed, and compared: first at every step of every save, that is before
each call of os.fsync, os.replace, os.link, os.unlink and os.write that the run makes, then, for the kills that are left, at
random moments, up to five in a row. After each the run must appear once, with the same model file to the byte and the same
numbers apart from timings. CPU only: a GPU does not repeat itself.

Read the table so: "equal" must be the number of runs, in every line; the exit status is 1 if it is not. "littered" are runs
that are done and equal, but with checkpoints or temporary files that nobody needs left beside them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.results.frame import Results
from core.runs.folder import Home, RunFolder, State
from core.spec.spec import Recipe, RunSpec, Schedule

STEPS_OF_A_SAVE = ("fsync", "replace", "link", "unlink", "write")
# What no two executions of the same run have in common.
_LATENCIES = ("latency_ms", "batch_latency_ms", "speedup", "batch_speedup")
TIMINGS = frozenset(
    {"inference_latency_ms", "latency", "speedups", "train_seconds", "wall_seconds", "images_per_second"}
    | {*_LATENCIES, *(f"optimised_{name}" for name in _LATENCIES)}
)
MAX_KILLS_IN_A_ROW = 5
# torch is loaded once, and each execution is still a process of its own.
_Context = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Reference:
    """A run as it is without a disturbance: the home just before it, what came out, its steps of a save and seconds."""

    spec: RunSpec
    before: Path
    expected: dict[str, Any]
    steps: int
    seconds: float


@dataclass
class Tally:
    """What became of the runs that were killed in one way."""

    kills: int = 0
    runs: int = 0
    equal: int = 0
    littered: int = 0


def tiny_study(folder: Path) -> list[RunSpec]:
    """Runs of a second each, on two classes of pictures that are drawn into ``folder``."""
    rng = np.random.default_rng(0)
    for split, size in (("train", 40), ("test", 10)):
        for place, name in enumerate(("red", "blue")):
            (folder / split / name).mkdir(parents=True)
            for index in range(size):
                pixels = rng.integers(0, 120, (32, 32, 3), dtype=np.uint8)
                pixels[..., 2 * place] += 120
                Image.fromarray(pixels).save(folder / split / name / f"{index}.png")
    train, finetune = Schedule(epochs=3, lr=0.05, batch_size=16), Schedule(epochs=2, lr=0.01, batch_size=16)
    dense = RunSpec(Recipe("tiny", f"folder:{folder}", 4, train, finetune), "dense", 1)
    recipe = replace(dense.recipe, finetune=finetune)
    return [dense, *(RunSpec(recipe, method, 1, 0.7) for method in ("magnitude", "structured"))]


def execute_impatiently(path: Path, kill_at: int = 0, steps: Any = None) -> None:
    """Execute the run in this process, saving after every epoch; die before the ``kill_at``-th step of a save.

    ``steps``: a shared number, to count them in.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from core.engine import result, train  # noqa: PLC0415 - only where a run is executed
    from core.engine.execute import execute  # noqa: PLC0415

    train.CHECKPOINT_SECONDS = -1.0
    result.FULL_SECONDS = result.QUICK_SECONDS = 0.005
    count = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if steps is not None:
                steps.value = count
            return call(*args, **kwargs)

        return counting

    for name in STEPS_OF_A_SAVE:
        setattr(os, name, counted(getattr(os, name)))
    execute(path)


def run_process(path: Path, *, kill_at: int = 0, kill_after: float | None = None, steps: Any = None) -> bool:
    """Execute the run at ``path`` in a process of its own; whether that was killed, by itself or after some seconds."""
    process = _Context.Process(target=execute_impatiently, args=(path, kill_at, steps))
    process.start()
    process.join(kill_after)
    if process.is_alive() and kill_after is not None:
        process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def outcome(folder: RunFolder) -> dict[str, Any]:
    """What must come out the same: every file of weights to the byte, and every number but the timings."""
    found = folder.result()
    result = found.to_json() if found else {}
    numbers = {f"result: {key}": value for key, value in result.items() if key not in TIMINGS}
    # Somebody may commit while this runs.
    numbers["result: environment"] = {**result.get("environment", {}), "commit": ""}
    return {
        **numbers,
        "state": folder.state(),
        "files": {path.name: path.read_bytes() for path in folder.path.glob("*.safetensors")},
        "rows": list(Results(Home(folder.path.parent.parent)).frame()["run_id"]).count(folder.run_id),
    }


def is_littered(folder: RunFolder) -> bool:
    """Whether files are left beside the result that were only needed on the way to it."""
    return any(entry.name.startswith(("checkpoint-", ".")) for entry in folder.path.iterdir())


def references(specs: Sequence[RunSpec], workdir: Path) -> list[Reference]:
    """Each run of ``specs`` without a disturbance; the dense run comes first and is there for the others."""
    found = []
    home = Home(workdir / "whole").prepare()
    warm = _Context.Process(target=int)  # torch is loaded now, and not in the time of the first run
    warm.start()
    warm.join()
    for spec in specs:
        before = workdir / f"before {spec.run_id}"
        shutil.copytree(home.path, before)
        folder, steps = home.create(spec), _Context.Value("i", 0)
        began = time.monotonic()
        run_process(folder.path, steps=steps)
        expected = outcome(folder)
        if expected["state"] != State.DONE:
            raise SystemExit(f"{spec.run_id} does not even run undisturbed: {folder.describe()[1]}")
        found.append(Reference(spec, before, expected, steps.value, time.monotonic() - began))
    return found


def killed(reference: Reference, workdir: Path, tally: Tally, plan: Sequence[dict[str, Any]]) -> None:
    """Kill the run as each entry of ``plan`` says, one after another, then let it end; add what came out to ``tally``."""
    home = Home(workdir / "killed")
    shutil.copytree(reference.before, home.path)
    folder = home.create(reference.spec)
    hits = 0
    for kill in plan:
        hits += run_process(folder.path, **kill)
        if folder.state() == State.DONE:
            break
    run_process(folder.path)
    found = outcome(folder)
    tally.kills += hits
    tally.runs += 1
    tally.equal += found == reference.expected
    tally.littered += is_littered(folder)
    if found != reference.expected:
        wrong = [key for key, value in reference.expected.items() if found.get(key) != value]
        print(f"{reference.spec.run_id}, killed as in {plan}: another {', '.join(wrong)}", file=sys.stderr)
    shutil.rmtree(home.path)


def kill_loop(kills: int, seed: int, workdir: Path) -> dict[str, Tally]:
    """At least ``kills`` kills: at every step of a save, evenly chosen if there are more of them, then at random."""
    rng = random.Random(seed)
    found = references(tiny_study(workdir / "pictures"), workdir)
    steps = [(reference, step) for reference in found for step in range(1, reference.steps + 1)]
    chosen = steps[:: max(1, -(-len(steps) // kills))]
    at_steps, at_random = Tally(), Tally()
    for reference, step in chosen:
        killed(reference, workdir, at_steps, [{"kill_at": step}])
    while at_steps.kills + at_random.kills < kills:
        reference = rng.choice(found)
        row = rng.randint(1, MAX_KILLS_IN_A_ROW)
        killed(reference, workdir, at_random, [{"kill_after": rng.uniform(0, reference.seconds)} for _ in range(row)])
    return {f"at {len(chosen)} of {len(steps)} steps of a save": at_steps, "at random moments": at_random}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loop and print the table; 1 if any run came out otherwise than undisturbed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_loop", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _Context.set_forkserver_preload(["core.engine.execute", "core.results.frame"])
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill-loop-") as workdir:
        tallies = kill_loop(max(1, options.kills), options.seed, Path(workdir))
    print(f"{'killed':34}{'kills':>7}{'runs':>7}{'equal':>7}{'littered':>10}")
    for where, tally in tallies.items():
        print(f"{where:34}{tally.kills:>7}{tally.runs:>7}{tally.equal:>7}{tally.littered:>10}")
    print(f"{time.monotonic() - began:.0f} s")
    return int(any(tally.equal != tally.runs for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
