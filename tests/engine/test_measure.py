"""All shapes of a study are timed in one go, once its last run has ended."""

import math

import numpy as np
import pytest

from core.engine import latency, measure, result
from core.engine.execute import execute
from core.runs.folder import State
from core.runs.latencies import latencies_path, read_latencies
from core.spec.errors import InputError
from core.spec.spec import RunSpec

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(measure, "PRECISION", math.inf)
    monkeypatch.setattr(measure, "MIN_SECONDS", 0.01)
    monkeypatch.setattr(result, "FULL_SECONDS", 0.01)
    monkeypatch.setattr(measure, "cores", lambda: 1)  # two threads wait for each other beside another test


def test_after_the_last_run_every_shape_is_timed_once(home, recipe, monkeypatch):
    runs = [home.create(RunSpec(recipe, method, 1, 0.5)) for method in ("magnitude", "structured")]
    runs.append(home.create(RunSpec(recipe, "structured", 1, 0.5, (("criterion", "l2"),))))
    for folder in runs[:2]:
        assert execute(folder.path) == State.DONE
    measure.measure_after_last(runs[0].path)
    assert read_latencies(home, recipe.key) is None  # a run is still to do
    assert execute(runs[2].path) == State.DONE
    measure.measure_after_last(runs[2].path)
    latencies = read_latencies(home, recipe.key)
    shapes = {folder.result().shape for folder in runs[1:]}
    assert latencies.speedups.keys() == shapes | {runs[0].result().shape}
    assert latencies.noise.keys() == {"speedup", "batch_speedup", "optimised_speedup", "optimised_batch_speedup"}
    assert latencies.speedups[runs[0].result().shape] == latencies.noise  # masks leave the shape as it is
    for one in latencies.speedups[runs[1].result().shape].values():
        assert one.low <= one.ratio <= one.high
    asked = []
    monkeypatch.setattr(measure, "measure", lambda home, key, max_seconds: asked.append(max_seconds))
    measure.measure_after_last(runs[0].path)
    assert not asked  # all of it was timed already
    latencies_path(home, recipe.key).unlink()
    measure.measure_after_last(runs[0].path)
    took = sum(folder.result().wall_seconds for folder in runs)
    assert asked == [pytest.approx(measure.SHARE * took / len(latencies.speedups))]
    assert 0 < measure.SHARE < 1


def test_a_study_without_pruned_runs_has_nothing_to_time(home, recipe):
    with pytest.raises(InputError, match="nothing to time"):
        measure.measure(home, recipe.key)
    measure.measure_after_last(home.run(RunSpec(recipe, "dense", 1).run_id).path)
    assert not home.latencies.exists()


def test_a_ratio_is_that_of_rounds_so_that_drift_cancels_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    drift = np.linspace(1, 3, 60)[:, None]
    dense, other = (seconds * drift * rng.lognormal(0, 0.02, (60, latency.CALLS)) for seconds in (2.0, 1.0))
    found = latency.speedup(dense, other)
    assert found.ratio == pytest.approx(2, rel=0.02)
    assert found.low <= 2 <= found.high
    assert found.half_width < 0.03
    assert latency.speedup(dense, dense).from_one == 0


def test_timing_goes_on_until_the_ratio_is_known_well_enough(model, monkeypatch):
    times = iter(np.random.default_rng(1).lognormal(0, 0.5, 100_000))
    monkeypatch.setattr(latency, "_seconds", lambda call: next(times))
    for precision in (0.3, 0.1):
        found = latency.time_deployed(
            {"dense": model, "other": model}, 1, seconds=0.0, precision=precision, max_seconds=math.inf
        )
        for one in latency.speedups(found["dense"], found["other"]).values():
            assert one.half_width <= precision * one.ratio
