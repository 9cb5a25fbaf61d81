"""SIGKILL, in a short version of ``python -m benchmarks.kill_loop --kills 100``."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_killed_run_appears_once_and_equals_one_that_was_not():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kill_loop", "--kills", "3"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    at_steps = next(line for line in done.stdout.splitlines() if "steps of a save" in line).split()
    kills, runs, equal = map(int, at_steps[-4:-1])
    assert runs == equal == 3
    assert kills >= 1  # the last step of a run may not come again: how often progress is written depends on the time
