"""What was estimated at the launch, beside what it then took."""

from __future__ import annotations

import os
import time

import pytest

from core.runs.folder import Home
from core.runs.forecast import last_outcome, record_forecast
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.records import write_result

RECIPE = build_recipe("demo")
SPECS = [RunSpec(RECIPE, "dense", 1), RunSpec(RECIPE, "magnitude", 1, 0.5)]


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path).prepare()


def test_the_last_run_to_end_tells_how_long_it_took(home):
    record_forecast(home, 100.0, True, [spec.run_id for spec in SPECS])
    assert last_outcome(home) is None  # nothing is done yet
    for spec, after in zip(SPECS, (50, 120), strict=True):
        path = write_result(home, spec).result_path
        os.utime(path, (time.time() + after,) * 2)
    outcome = last_outcome(home)
    assert outcome is not None
    assert (outcome.forecast.seconds, outcome.forecast.measured) == (100.0, True)
    assert outcome.took == pytest.approx(120, abs=5)


@pytest.mark.parametrize("kind", ["queued", "started", "cancelled"])
def test_what_was_stopped_or_launched_again_says_nothing_about_the_estimate(home, kind):
    record_forecast(home, 100.0, True, [SPECS[0].run_id])
    folder = write_result(home, SPECS[0])
    os.utime(folder.result_path, (time.time() + 60,) * 2)
    assert last_outcome(home) is not None
    folder.append(kind)
    assert last_outcome(home) is None


def test_garbled_notes_are_passed_over(home):
    record_forecast(home, 100.0, False, [SPECS[0].run_id])
    os.utime(write_result(home, SPECS[0]).result_path, (time.time() + 60,) * 2)
    with (home.cache / "forecasts.jsonl").open("a") as file:
        file.write(
            '{"t": 1, "seconds": "much", "runs": ["x"]}\n{"t": 1, "seconds": 2, "runs": ["../x"]}\nnonsense\n{"t":'
        )
    outcome = last_outcome(home)
    assert outcome is not None
    assert not outcome.forecast.measured


def test_a_note_that_cannot_be_kept_stops_nothing(home):
    (home.cache / "forecasts.jsonl").mkdir()
    record_forecast(home, 1.0, True, ["x"])
    assert last_outcome(home) is None
