"""The demo preset as a newcomer runs it: drawn pictures neither too hard nor too easy, and pruning that recovers."""

import json
import subprocess
import sys
from pathlib import Path

from core.runs.folder import Home

ROOT = Path(__file__).resolve().parents[2]


def test_a_thin_network_learns_the_drawn_pictures_and_loses_little_of_it(tmp_path):
    chosen = ["--method", "structured", "--sparsity", "0.9", "--seed", "42", "--home", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "core", "train-pruned", "--preset", "demo", *chosen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pruned = json.loads(done.stdout.splitlines()[-1])
    (dense,) = (folder.result() for folder in Home(tmp_path).runs() if folder.spec.is_dense)
    assert 85 <= dense.test_accuracy <= 97
    assert pruned["accuracy_before_finetuning"] < 30  # there is something to recover
    assert dense.test_accuracy - 12 < pruned["test_accuracy"] < dense.test_accuracy
