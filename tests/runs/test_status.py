import json
import os
from dataclasses import replace

import pytest

from core.i18n import Message
from core.runs import status
from core.runs.atomic_io import MAX_TIME
from core.runs.failure import FailureCode, RunFailure
from core.runs.folder import Home, State
from core.runs.lease import Lease
from core.runs.status import Statuses, curves, group_failures
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
from tests.records import write_result

RECIPE = PRESETS["demo"].recipe
DENSE, PRUNED = RunSpec(RECIPE, "dense", 1), RunSpec(RECIPE, "magnitude", 1, 0.9)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path).prepare()


def epoch(folder, n, phase="train", **more):
    measures = {"loss": 1.0 / n, "train_accuracy": 50.0, "test_accuracy": 40.0 + n, "images_per_second": 900.0}
    folder.append("epoch", phase=phase, epoch=n, epochs=5, seconds=1.0, **measures | more)


def test_progress_time_left_and_accuracy_of_a_run_are_read_from_its_folder(home):
    folder = home.create(DENSE)
    folder.enqueue()
    statuses = Statuses(home)
    (status,) = statuses.read()
    assert (status.state, status.fraction, status.test_accuracy) == (State.QUEUED, 0.0, None)
    with Lease(folder.path):
        folder.append("started")
        epoch(folder, 1)
        folder.report_progress(phase="train", fraction=0.3, seconds_left=12.5)
        (status,) = statuses.read()
        assert (status.state, status.fraction, status.seconds_left) == (State.RUNNING, 0.3, 12.5)
        assert (str(status.phase), status.test_accuracy) == ("Training", 41.0)
    (status,) = statuses.read()
    assert (status.state, status.fraction) == (State.INTERRUPTED, 0.2)
    write_result(home, DENSE)
    (status,) = statuses.read()
    assert (status.state, status.fraction, status.seconds_left) == (State.DONE, 1.0, None)


def test_who_asks_for_unfinished_runs_reads_no_finished_one(home, monkeypatch):
    write_result(home, DENSE)
    waiting = home.create(PRUNED)
    waiting.enqueue()
    statuses = Statuses(home)
    read = []
    with monkeypatch.context() as patch:
        patch.setattr(
            status, "_status", lambda folder, inner=status._status: read.append(folder.run_id) or inner(folder)
        )
        assert [run.run_id for run in statuses.unfinished({DENSE.run_id})] == [PRUNED.run_id]
    assert read == [PRUNED.run_id]
    assert [run.run_id for run in statuses.unfinished(())] == [PRUNED.run_id]
    write_result(home, PRUNED)
    assert statuses.unfinished(()) == []
    assert {run.state for run in statuses.read()} == {State.DONE}


def test_garbled_progress_and_events_break_nothing(home):
    folder = home.create(DENSE)
    folder.append("epoch", phase="train", epoch="x", epochs=None, test_accuracy=[])
    folder.append("epoch", phase=3, epoch=10**400)
    (folder.path / "progress.json").write_text("[")
    (status,) = Statuses(home).read()
    assert status.state == State.QUEUED
    assert curves([folder]).empty


@pytest.mark.parametrize("noted", [0, -1e300, 1e300, 10**400, "x", None])
def test_a_time_that_no_date_can_hold_is_passed_over(home, noted):
    folder = home.create(DENSE)
    folder.events_path.write_text(json.dumps({"t": noted, "type": "queued"}) + "\n")
    (status,) = Statuses(home).read()
    assert status.created == pytest.approx(folder.path.stat().st_mtime)
    os.utime(folder.path, (1e12, 1e12))
    (status,) = Statuses(home).read()
    assert status.created == MAX_TIME


@pytest.mark.parametrize(
    "progress",
    [
        {"phase": "prepare", "step": Message("Reading CIFAR-10").to_json(), "fraction": 0.9},
        {"phase": "Reading CIFAR-10 (90%)", "fraction": 0.9},  # as version 1 wrote it
    ],
)
def test_progress_of_preparing_data_is_none_of_the_training(home, progress):
    folder = home.create(DENSE)
    with Lease(folder.path):
        folder.append("started")
        epoch(folder, 1)
        folder.report_progress(**progress, seconds_left=1.0)
        (status,) = Statuses(home).read()
    assert (str(status.phase), status.fraction, status.seconds_left) == ("Reading CIFAR-10 (90%)", 0.2, None)


@pytest.mark.parametrize("version", ["1", "2"])
def test_failures_are_grouped_by_reason_with_what_depends_on_them(home, version):
    """Version 1 of the journal has a sentence, version 2 code and message."""
    because = f"Its dense run {DENSE.run_id} failed: The disk is full. Retry runs both."
    other = RunSpec(RECIPE, "magnitude", 2, 0.9)
    codes = (FailureCode.DISK_FULL, FailureCode.DENSE_FAILED, FailureCode.UNEXPECTED)
    reasons = ("The disk is full.", because, "Something else.")
    for spec, reason, code in zip((DENSE, PRUNED, other), reasons, codes, strict=True):
        folder = home.create(spec)
        folder.enqueue()
        if code != FailureCode.DENSE_FAILED:
            folder.append("started")
        event = {"reason": reason} if version == "1" else RunFailure(code, Message.literal(reason)).to_json()
        folder.append("failed", **event)
    runs = Statuses(home).read()
    found = {(str(group.failure.message), group.run_ids, group.dependants) for group in group_failures(runs)}
    assert found == {("The disk is full.", (DENSE.run_id,), 1), ("Something else.", (other.run_id,), 0)}
    (alone,) = group_failures([run for run in runs if run.run_id == PRUNED.run_id])
    assert (str(alone.failure.message), alone.dependants) == (because, 0)


def test_a_run_without_a_spec_is_listed_with_its_reason(home):
    (home.checkpoints / "stray-folder").mkdir()
    (status,) = Statuses(home).read()
    assert (status.state, status.spec) == (State.FAILED, None)
    assert "spec.json" in str(status.failure.message)


def test_runs_keep_their_place_and_what_was_launched_last_comes_first(home):
    other = RunSpec(PRESETS["quick"].recipe, "dense", 1)
    for place, spec in enumerate((DENSE, PRUNED, other)):
        with home.create(spec).events_path.open("w") as file:
            file.write(json.dumps({"t": 1000.0 + place, "type": "queued"}) + "\n")
    ids = [status.run_id for status in Statuses(home).read()]
    assert ids == [other.run_id, DENSE.run_id, PRUNED.run_id]


def test_an_epoch_that_was_done_again_counts_once_as_the_later(home):
    folder = home.create(DENSE)
    epoch(folder, 1)
    epoch(folder, 2, test_accuracy=1.0)
    epoch(folder, 2, test_accuracy=2.0)
    frame = curves([folder])
    assert list(frame["epoch"]) == [1, 2]
    assert list(frame["test_accuracy"]) == [41.0, 2.0]


@pytest.mark.parametrize(
    ("schedule", "place"), [("one-shot", 0.0), ("iterative", 3.0), ("gradual", 2.5)]
)  # of five epochs, in three rounds of 1, 2 and 2
def test_the_accuracy_right_after_the_last_cut_is_a_point_of_the_curve(home, schedule, place):
    recipe = replace(RECIPE, finetune=replace(RECIPE.finetune, epochs=5))
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.9, (("schedule", schedule),)))
    for n in range(1, 6):
        if place < n <= place + 1:
            folder.append("pruned", test_accuracy=12.0)
            folder.append("pruned", test_accuracy=13.0)  # again, after a kill
        epoch(folder, n, phase="finetune")
    frame = curves([folder])
    cut = frame[frame["phase"] == "pruned"]
    assert list(zip(cut["epoch"], cut["test_accuracy"], strict=True)) == [(place, 13.0)]
    assert cut["loss"].isna().all()
    assert frame["epoch"].is_monotonic_increasing
    assert len(frame) == 6


def test_what_cannot_be_an_epoch_is_no_point_of_a_curve(home):
    folder = home.create(DENSE)
    for odd in (10**30, True, 0, -1, 1.5, "2"):
        folder.append("epoch", phase="train", epoch=odd, test_accuracy=1.0)
    folder.append("pruned", test_accuracy=1.0)  # of a dense run
    assert curves([folder]).empty
    epoch(folder, 1)
    assert list(curves([folder])["epoch"]) == [1]


def test_latency_is_relative_to_the_dense_network_that_was_timed_with_it(home):
    def latency(folder):
        (status,) = (run for run in Statuses(home).read() if run.run_id == folder.run_id)
        return status.relative_latency

    masked, shrunk = home.create(PRUNED), home.create(RunSpec(RECIPE, "structured", 1, 0.9))
    times = {"model_size_mb": 0.1, "inference_latency_ms": 1.5, "dense_latency_ms": 2.0}
    masked.append("pruned", filter_ratio=0.0, **times)
    shrunk.append("pruned", filter_ratio=0.5, **times)
    assert (latency(masked), latency(shrunk)) == (1.0, 0.75)
    write_result(home, masked.spec, speedup=1.32)
    write_result(home, shrunk.spec, speedup=4.0)
    assert (latency(masked), latency(shrunk)) == (1.0, 0.25)
