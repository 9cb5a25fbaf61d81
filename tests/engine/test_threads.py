"""How threads wait, which is settled before torch is loaded."""

import os
import subprocess
import sys

import pytest

SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.mark.parametrize(("given", "found"), [({}, "passive 10000"), ({"GOMP_SPINCOUNT": "7"}, "passive 7")])
def test_threads_spin_for_a_moment_unless_the_environment_says_otherwise(given, found):
    code = f"import core.engine, os, sys; print(*map(os.environ.get, {SETTINGS})); assert 'torch' not in sys.modules"
    bare = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    ran = subprocess.run([sys.executable, "-c", code], env=bare | given, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == found
