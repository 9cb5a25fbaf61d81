"""Runs made before the journal had codes (commit 758a3cb) still open, resume and export; such folders lie beside this."""

import hashlib
import io
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from core.cli.main import main
from core.engine.execute import execute
from core.runs.failure import FailureCode
from core.runs.folder import Home, State
from core.runs.status import Statuses, group_failures
from tests.korean import korean

VERSION_1 = Path(__file__).parent / "version-1"
EXPECTED = json.loads((VERSION_1 / "expected.json").read_text())
DONE = [run_id for run_id, run in EXPECTED["runs"].items() if run["state"] == "done"]
INTERRUPTED = next(run_id for run_id, run in EXPECTED["runs"].items() if run["state"] == "interrupted")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("version-1")
    shutil.copytree(VERSION_1 / "checkpoints", path / "checkpoints")
    for attempt in path.glob("checkpoints/*/attempt-*"):
        os.utime(attempt, (1e9, 1e9))  # a checkout makes files new, and a new attempt counts as alive
    return Home(path).prepare()


@pytest.mark.parametrize("run_id", EXPECTED["runs"])
def test_state_and_reason_are_the_same(home, run_id):
    state, failure = home.run(run_id).describe()
    expected = EXPECTED["runs"][run_id]
    assert (state, str(failure.message) if failure else "") == (expected["state"], expected["reason"])
    assert (failure and failure.smaller_batch) == expected.get("smaller_batch")
    if failure:
        assert korean(failure.message.localized) == expected["reason"]  # as it was written


def test_a_run_that_failed_for_its_dense_run_counts_with_that(home):
    groups = {group.run_ids: group for group in group_failures(Statuses(home).read())}
    codes = {run_ids[0].split("-demo")[0]: group.failure.code for run_ids, group in groups.items()}
    assert codes == {"dense-seed7": FailureCode.UNEXPECTED, "dense-seed9": FailureCode.OUT_OF_MEMORY}
    assert [group.dependants for group in groups.values()] == [1, 0]


def test_the_table_is_the_same(home, tmp_path):
    assert main(["evaluate", "--home", str(home.path), "--out", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "efficiency_table.csv")
    expected = pd.read_csv(io.StringIO(EXPECTED["efficiency_table.csv"]))
    assert table["method"].tolist() == [  # by the defaults of today
        "Dense",
        "Magnitude (Han et al., 2015)",
        "Structured (without recovery)",
        "Lottery ticket (rewind epoch 1)",
    ]
    # Speed-ups of the same operations are 1 by construction, and latencies follow from them.
    same = [name for name in expected if name != "method" and "latency" not in name and "speedup" not in name]
    pd.testing.assert_frame_equal(table[same], expected[same])
    later = table.drop(columns=list(expected))  # what has been measured since then
    intervals = [name for name in later if name.endswith("_ci95")]
    assert later.drop(columns=["at_chance", *intervals]).isna().all(axis=None)


@pytest.mark.parametrize("run_id", DONE)
def test_a_finished_run_exports_the_same_bytes(home, run_id, tmp_path):
    expected = EXPECTED["runs"][run_id]
    files = {}
    for form in ("safetensors", "plain"):
        files[form] = tmp_path / f"{form}.safetensors"
        assert main(["export", run_id, "--format", form, "--output", str(files[form]), "--home", str(home.path)]) == 0
    assert hashlib.sha256(files["safetensors"].read_bytes()).hexdigest() == expected["export_safetensors_sha256"]
    content = files["plain"].read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    # Then the library wrote the metadata in another order each time.
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    assert hashlib.sha256(header + content[end:]).hexdigest() == expected["export_plain_canonical_sha256"]


def test_an_interrupted_run_goes_on_from_its_checkpoint(home):
    folder = home.run(INTERRUPTED)
    assert execute(folder.path) == State.DONE
    kinds = [event["type"] for event in folder.events()]
    assert "resumed" in kinds
    assert "started_over" not in kinds
    assert len([event for event in folder.events() if event["type"] == "epoch"]) == folder.spec.retrain.epochs
