import json
import math
import os
import subprocess
import sys
import time

import pytest

from core.runs.atomic_io import append_line, atomic_write, read_lines, write_json
from core.runs.folder import Home, State
from core.runs.lease import STALE_SECONDS, Lease, LeaseHeldError, LeaseLostError, holder, latest_attempt
from core.runs.result import RunResult
from core.spec.errors import InputError
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
from tests.records import plausible_record, plausible_result, write_result

SPEC = RunSpec(PRESETS["demo"].recipe, "magnitude", 42, 0.9)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path).prepare()


@pytest.fixture
def folder(home):
    return home.create(SPEC)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    write_json(path, {"old": 1})

    def fail_in_the_middle():
        with atomic_write(path) as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail_in_the_middle()
    assert json.loads(path.read_text()) == {"old": 1}
    assert os.listdir(tmp_path) == ["file"]


def test_a_torn_line_is_passed_over_and_what_follows_it_is_not_lost(tmp_path):
    path = tmp_path / "events.jsonl"
    append_line(path, {"n": 1})
    with path.open("ab") as file:
        file.write(b'{"n": 2, "torn')
    assert read_lines(path) == [{"n": 1}]
    append_line(path, {"n": 3})
    assert read_lines(path) == [{"n": 1}, {"n": 3}]


def test_garbage_in_a_journal_is_passed_over(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"n": 1}\n\xff\xfe\n[1]\n5\n' + b"[" * 100_000 + b'\n{"n": 2}\n')
    assert read_lines(path) == [{"n": 1}, {"n": 2}]
    assert read_lines(tmp_path / "missing") == []


def test_the_life_of_a_run(folder):
    assert folder.state() == State.QUEUED
    folder.enqueue()
    assert folder.state() == State.QUEUED
    with Lease(folder.path):
        folder.append("started")
        assert folder.state() == State.RUNNING
        folder.request_cancel()
        assert folder.state() == State.CANCELLING
        folder.append("cancelled")
    assert folder.state() == State.CANCELLED
    folder.enqueue()
    assert folder.state() == State.QUEUED
    with Lease(folder.path):
        folder.append("started")
    assert folder.state() == State.INTERRUPTED
    folder.append("failed", reason="because")
    assert folder.state() == State.FAILED
    assert str(folder.describe()[1].message) == "because"
    folder.commit(plausible_result(SPEC))
    assert folder.state() == State.DONE


def test_cancelling_a_waiting_run_takes_effect_at_once_and_a_finished_one_stays_done(folder):
    folder.enqueue()
    folder.request_cancel()
    assert folder.state() == State.CANCELLED
    folder.commit(plausible_result(SPEC))
    folder.request_cancel()
    assert folder.state() == State.DONE


def test_the_same_spec_is_one_folder(home, folder):
    folder.append("started")
    assert home.create(SPEC).events() == folder.events()
    assert len(home.runs()) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"run_id": 3}'])
@pytest.mark.parametrize("name", ["spec.json", "result.json"])
def test_a_damaged_file_is_a_failed_run_with_a_reason_and_harms_no_other(home, name, content):
    good = write_result(home, SPEC)
    bad = write_result(home, RunSpec(SPEC.recipe, "magnitude", 43, 0.9))
    (bad.path / name).write_bytes(content)
    bad = home.run(bad.run_id)
    state, failure = bad.describe()
    assert state == State.FAILED
    reason = str(failure.message)
    assert name in reason
    assert reason.count(bad.run_id) == 1
    assert "\n" not in reason
    if name == "spec.json":
        with pytest.raises(InputError, match=r"spec\.json"):
            _ = bad.spec
    assert good.state() == State.DONE


@pytest.mark.parametrize("field", ["test_accuracy", "speedup", "latency.single.median_ms"])
@pytest.mark.parametrize("value", [True, "92.7", math.nan, math.inf, -1, 1e308, 10**400, {}])
def test_a_result_with_an_impossible_number_is_damaged_in_one_line_that_names_it(folder, field, value):
    record = plausible_record(SPEC)
    timing = {"batch": 1, "threads": 1, "median_ms": 1.0, "q1_ms": 1.0, "q3_ms": 1.0, "calls": 10}
    record["latency"] = {"single": timing}
    (timing if "." in field else record)[field.rpartition(".")[2]] = value
    folder.result_path.write_text(json.dumps(record))
    with pytest.raises(InputError) as caught:
        folder.result()
    said = "missing or has an impossible value"
    assert str(caught.value) == f"{folder.run_id}: result.json is damaged: {field} is {said}."
    assert folder.state() == State.FAILED


def test_a_result_without_what_every_result_has_is_damaged(folder):
    for field in RunResult.model_fields:
        record = plausible_record(SPEC)
        required = record.pop(field, None) is not None and RunResult.model_fields[field].is_required()
        folder.result_path.write_text(json.dumps(record))
        if required:
            with pytest.raises(InputError, match=f"damaged: {field} "):
                folder.result()
        else:
            assert folder.result() == RunResult.model_validate(record)


def test_what_a_later_version_adds_is_kept_and_the_record_stays_as_it_was_written(folder):
    record = {**plausible_record(SPEC), "energy_joules": 1.5, "environment": {"hardware": "x", "rack": 7}}
    folder.commit(RunResult.model_validate(record))
    assert list(folder.result().to_json().items()) == list(RunResult.model_validate(record).to_json().items())
    assert folder.result().to_json() == record


def test_the_result_of_another_run_is_not_this_ones(home, folder):
    other = write_result(home, RunSpec(SPEC.recipe, "magnitude", 43, 0.9))
    folder.result_path.write_bytes(other.result_path.read_bytes())
    with pytest.raises(InputError, match=r"result\.json is that of another run"):
        folder.result()


def test_a_folder_whose_name_is_not_its_spec_s_is_refused(home, folder):
    other = RunSpec(SPEC.recipe, "magnitude", 43, 0.9)
    write_json(folder.spec_path, other.to_json())
    with pytest.raises(InputError, match="another run"):
        _ = home.run(folder.run_id).spec


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "a/b", ".hidden", "", "A", "ä", "x" * 200, "a\0b", "a\n"])
def test_a_name_from_outside_never_becomes_a_path(home, name):
    with pytest.raises(InputError, match="id of a run"):
        home.run(name)


def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--home"):
        Home(tmp_path / "file").prepare()


def test_a_folder_of_runs_that_cannot_be_read_is_a_sentence(tmp_path):
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(InputError, match="cannot be read"):
        Home(tmp_path).runs()


def test_one_owner_at_a_time_and_the_attempts_are_counted(folder):
    with Lease(folder.path) as first:
        assert holder(folder.path).alive
        with pytest.raises(LeaseHeldError, match="being executed"), Lease(folder.path):
            pass
    assert holder(folder.path) is None
    with Lease(folder.path) as second:
        assert (first.attempt, second.attempt) == (1, 2)
        second.check()
        with pytest.raises(LeaseLostError):
            first.check()


def test_ten_processes_at_once_get_one_lease(folder):
    code = (
        "import sys, time; from pathlib import Path; from core.runs.lease import Lease, LeaseHeldError\n"
        "try:\n"
        "    with Lease(Path(sys.argv[1])): print('mine', flush=True); time.sleep(2)\n"
        "except LeaseHeldError: print('held')"
    )
    command = [sys.executable, "-c", code, str(folder.path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(10)]
    said = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(said) == ["held"] * 9 + ["mine"]
    assert latest_attempt(folder.path) == 1


def test_a_killed_owner_is_known_to_be_dead_at_once(folder):
    code = (
        "import sys, time; from pathlib import Path; from core.runs.lease import Lease\n"
        "with Lease(Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "mine\n"
    assert holder(folder.path).alive
    process.kill()
    process.communicate()
    assert not holder(folder.path).alive
    with Lease(folder.path) as lease:
        assert lease.attempt == 2


def test_an_owner_elsewhere_is_believed_until_its_heartbeat_stops(folder):
    path = folder.path / "attempt-0001"
    path.write_text(json.dumps({"host": "elsewhere", "machine": "elsewhere/1", "pid": 1, "born": 0}))
    assert holder(folder.path).alive
    old = time.time() - STALE_SECONDS - 1
    os.utime(path, (old, old))
    assert not holder(folder.path).alive
