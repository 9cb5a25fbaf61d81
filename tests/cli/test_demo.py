"""The demo preset as a newcomer runs it: on drawn pictures that are neither too hard nor too easy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.runs.folder import Home

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("demo"))


def run(home, method, sparsity):
    """The result record of one command."""
    chosen = ["--method", method, "--sparsity", str(sparsity), "--seed", "42", "--home", str(home.path)]
    done = subprocess.run(
        [sys.executable, "-m", "core", "train-pruned", "--preset", "demo", *chosen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_thin_network_learns_the_drawn_pictures_and_methods_differ_on_them(home):
    magnitude, random = run(home, "magnitude", 0.95), run(home, "random", 0.95)
    (dense,) = (folder.result() for folder in home.runs() if folder.spec.is_dense)
    assert 85 <= dense.test_accuracy <= 97
    assert magnitude["test_accuracy"] > random["test_accuracy"] + 10
