"""Speed-ups: 1 by construction, measured in one go, and never ranked while they may be noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.results.frame import Results, study_frame
from core.results.pareto import recommend
from core.results.speed import LATENCY_OF, SPEED_OF, noise_of
from core.results.statistics import summarise
from core.runs.folder import Home
from core.runs.latencies import Latencies, latencies_path, read_latencies, write_latencies
from core.runs.result import Environment, Speedup
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from tests.records import write_result

RECIPE = build_recipe("demo")
LAYERS = {
    sparsity: [{"name": "conv1", "shape": [n, 3, 3, 3], "density": 0.5}] for n, sparsity in enumerate((0.5, 0.9), 1)
}


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path).prepare()
    for spec in study_runs(RECIPE, ("magnitude", "structured"), (0.5, 0.9), (1, 2)):
        extra = {"layers": LAYERS[spec.sparsity]} if spec.method == "structured" else {}
        write_result(home, spec, **extra)
    return home


def study_of(home):
    return study_frame(Results(home).frame(), RECIPE.key)


def measure(home, ratios, noise=0.02, width=0.01):
    """What a measurement of ``home`` might have found: ``ratios`` in the order of the shapes' sparsity."""
    shapes = study_of(home).query("method == 'structured'").drop_duplicates("sparsity").sort_values("sparsity")["shape"]

    def every(ratio, width):
        return dict.fromkeys(LATENCY_OF, Speedup(ratio=ratio, low=ratio - width, high=ratio + width, rounds=20))

    speedups = {shape: every(ratio, width) for shape, ratio in zip(shapes, ratios, strict=True)}
    dense_ms = dict.fromkeys(LATENCY_OF.values(), 3.0)
    write_latencies(home, Latencies(RECIPE.key, 1.7e9, Environment(), 64, dense_ms, every(1.0, noise), speedups))


def test_the_same_operations_have_the_speedup_1_whatever_was_measured(home):
    runs = study_of(home)
    masked = runs[runs["method"] != "structured"]
    assert (masked[[*LATENCY_OF]] == 1).all(axis=None)
    for name, latency in LATENCY_OF.items():
        dense = runs[runs["method"] == "dense"].set_index("run_id")[latency]
        assert np.allclose(runs[latency], runs["dense_id"].map(dense) / runs[name])
    summary = summarise(runs)
    assert (summary.loc[summary["method"] == "magnitude", ["speedup_ci", "batch_speedup_ci"]] == 0).all(axis=None)


def test_what_was_measured_in_one_go_replaces_what_was_measured_amid_the_study(home):
    before = study_of(home)
    measure(home, (1.5, 2.5))
    after = study_of(home)
    assert before["speedup"].tolist() != after["speedup"].tolist()
    cut = after[after["method"] == "structured"]
    assert dict(zip(cut["sparsity"], cut["batch_speedup"], strict=True)) == {0.5: 1.5, 0.9: 2.5}
    assert np.allclose(after["inference_latency_ms"], 3.0 / after["speedup"])  # all of one go: they can be compared
    measure(home, (1.5, 3.5))
    assert study_of(home)["speedup"].max() == 3.5  # a reader notices another go
    assert summarise(study_of(home))["speedup_ci"].max() == pytest.approx(0.01)


@pytest.mark.parametrize("text", ["{", "{}", '{"recipe": 1}'])
def test_a_damaged_record_of_latencies_is_none(home, text):
    measure(home, (1.5, 2.5))
    latencies_path(home, RECIPE.key).write_text(text)
    assert read_latencies(home, RECIPE.key) is None
    assert study_of(home)[noise_of("speedup")].isna().all()


@settings(deadline=None, max_examples=25)
@given(
    st.tuples(*[st.floats(0.5, 3)] * 2),
    st.tuples(*[st.floats(0, 0.3)] * 2),
    st.sampled_from([*SPEED_OF]),
    st.booleans(),
)
def test_nothing_is_ranked_by_a_speed_that_may_be_noise(tmp_path_factory, ratios, doubts, cost, measured):
    noise, width = doubts
    home = Home(tmp_path_factory.mktemp("home")).prepare()
    for spec in study_runs(RECIPE, ("magnitude", "structured"), (0.5, 0.9), (1,)):
        write_result(home, spec, **({"layers": LAYERS[spec.sparsity]} if spec.method == "structured" else {}))
    if measured:
        measure(home, ratios, noise, width)
    study = study_of(home)
    summary = summarise(study)
    choice = recommend(study, summary, cost, 0).choice.run
    name = SPEED_OF[cost]
    differ = [ratio for ratio in ratios if measured and abs(ratio - 1) > max(noise, width) + 1e-9]
    faster = [ratio for ratio in differ if ratio > 1]
    if faster:
        assert choice[cost] == pytest.approx(1 / max(faster))
    else:
        assert choice[cost] == 1  # none is faster than dense; of those as fast, the most accurate
        assert choice["method"] != "structured" or not any(math.isclose(choice[name], ratio) for ratio in differ)


@pytest.mark.parametrize("cost", SPEED_OF)
def test_a_network_whose_speed_was_never_measured_is_not_ranked_by_it(tmp_path, cost):
    home = Home(tmp_path).prepare()
    for spec in study_runs(RECIPE, ("structured",), (0.5,), (1,)):
        write_result(home, spec, **({} if spec.is_dense else {SPEED_OF[cost]: None, "test_accuracy": 99.0}))
    study = study_of(home)
    assert recommend(study, summarise(study), cost, 0).choice.run["method"] == "dense"
