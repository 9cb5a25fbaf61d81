"""What came out: rows of finished runs, means with intervals, values between the measured ones."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest

from core.results.frame import Results, studies, study_frame
from core.results.speed import LATENCY_OF
from core.results.statistics import interpolate, nearest, summarise
from core.runs.folder import Home
from core.spec.errors import InputError
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from core.spec.spec import Recipe, RunSpec
from tests.records import plausible_record, write_result

RECIPE = build_recipe("demo")
SEEDS = (1, 2, 3)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path).prepare()


def study_of(home, recipe=RECIPE):
    return study_frame(Results(home).frame(), recipe.key)


def write_study(home, methods=("magnitude",), sparsities=(0.0, 0.5, 0.7, 0.9), seeds=SEEDS, recipe=RECIPE, **overrides):
    for spec in study_runs(recipe, methods, sparsities, seeds):
        write_result(home, spec, **overrides)


def test_interval_of_three_seeds_is_2_484_standard_deviations(home):
    for seed, accuracy in zip(SEEDS, (90.0, 91.0, 93.5), strict=True):
        write_result(home, RunSpec(RECIPE, "magnitude", seed, 0.5), test_accuracy=accuracy)
    row = summarise(study_of(home)).iloc[0]
    assert row["n"] == 3
    assert row["test_accuracy"] == pytest.approx(91.5)
    assert row["test_accuracy_ci"] == pytest.approx(2.484 * np.std([90, 91, 93.5], ddof=1), rel=2e-4)


def test_one_seed_has_no_interval(home):
    write_study(home, seeds=(1,))
    summary = summarise(study_of(home))
    assert summary["test_accuracy"].notna().all()
    intervals = summary.filter(like="_ci").drop(columns=[f"{name}_ci" for name in LATENCY_OF])
    assert intervals.isna().all().all()


def test_interval_counts_only_the_seeds_that_have_the_value(home):
    write_study(home, sparsities=(0.5,))
    write_result(home, RunSpec(RECIPE, "magnitude", 1, 0.5), mac_ratio=None)
    write_result(home, RunSpec(RECIPE, "magnitude", 2, 0.5), mac_ratio=float(10**6))
    write_result(home, RunSpec(RECIPE, "magnitude", 3, 0.5), mac_ratio=None)
    row = summarise(study_of(home)).iloc[-1]
    assert row["n"] == 3
    assert row["mac_ratio"] == 10**6
    assert math.isnan(row["mac_ratio_ci"])


def test_interpolation_is_marked_and_lies_on_the_line(home):
    write_study(home)
    summary = summarise(study_of(home))
    by = summary.set_index("sparsity")
    between = interpolate(summary, 0.8).iloc[0]
    assert not between["measured"]
    assert (between["below"], between["above"], between["n"]) == (0.7, 0.9, 0)
    assert between["test_accuracy"] == pytest.approx(by["test_accuracy"][[0.7, 0.9]].mean())
    assert math.isnan(between["test_accuracy_ci"])
    there = interpolate(summary, 0.9).iloc[0]
    assert there["measured"]
    assert there["n"] == 3
    assert there["test_accuracy"] == by["test_accuracy"][0.9]
    assert there["test_accuracy_ci"] == by["test_accuracy_ci"][0.9]


def test_interpolated_ratio_agrees_with_the_interpolated_size(home):
    write_study(home, seeds=(1,))
    summary = summarise(study_of(home))
    dense = summary.loc[summary["method"] == "dense", "model_size_mb"].iloc[0]
    between = interpolate(summary, 0.8).iloc[0]
    assert between["size_ratio"] == pytest.approx(dense / between["model_size_mb"])


def test_dense_is_every_methods_value_at_zero_and_nothing_is_extrapolated(home):
    write_study(home, methods=("magnitude", "structured"))
    summary = summarise(study_of(home))
    at_zero = interpolate(summary, 0.0)
    assert at_zero["measured"].all()
    assert set(at_zero["variant"]) == {"Magnitude", "Structured"}
    assert at_zero["test_accuracy"].nunique() == 1
    assert interpolate(summary, 0.91).empty


def test_a_gap_in_one_metric_stays_a_gap_between_its_neighbours_only(home):
    write_study(home, seeds=(1,), sparsities=(0.0, 0.5, 0.7))
    write_result(home, RunSpec(RECIPE, "magnitude", 1, 0.9), filter_ratio=None)
    summary = summarise(study_of(home))
    assert math.isnan(interpolate(summary, 0.8).iloc[0]["filter_ratio"])
    assert interpolate(summary, 0.6).iloc[0]["filter_ratio"] >= 0


@pytest.mark.parametrize(
    ("measured", "sparsity", "around"),
    [
        ((0.9,), 0.5, [0.9]),  # not on a line from dense
        ((0.5, 0.9), 0.7, [0.5, 0.9]),
        ((0.31, 0.5), 0.2, [0.31]),
        ((0.3, 0.5), 0.2, None),
        ((0.3, 0.55), 0.4, None),  # whose difference is a little more than 0.25
        ((0.3, 0.56), 0.4, [0.3, 0.56]),
    ],
)
def test_values_are_interpolated_between_close_neighbours_only(home, measured, sparsity, around):
    write_study(home, sparsities=measured, seeds=(1,))
    summary = summarise(study_of(home))
    assert interpolate(summary, sparsity).empty == (around is not None)
    if around:
        assert list(nearest(summary, "Magnitude", sparsity)["sparsity"]) == around


def test_recipes_that_differ_in_finetuning_share_their_dense_runs(home):
    other = build_recipe("demo", finetune_epochs=7)
    write_study(home, seeds=(1,))
    write_study(home, seeds=(1,), recipe=other)
    frame = Results(home).frame()
    assert (frame["method"] == "dense").sum() == 1
    assert set(studies(frame)) == {RECIPE.key, other.key}
    for recipe in (RECIPE, other):
        study = study_frame(frame, recipe.key)
        assert sorted(study["sparsity"]) == [0, 0.5, 0.7, 0.9]


def test_dense_runs_alone_are_a_study(home):
    spec = RunSpec(RECIPE, "dense", 1)
    write_result(home, spec)
    frame = Results(home).frame()
    assert list(studies(frame)) == [spec.recipe.key]
    study = study_frame(frame, spec.recipe.key)
    assert len(summarise(study)) == 1
    assert interpolate(summarise(study), 0.5).empty


def test_the_study_with_the_newest_result_comes_first(home):
    other = build_recipe("demo", finetune_epochs=7)
    longer = RunSpec(other, "magnitude", 1, 0.5)
    os.utime(write_result(home, RunSpec(RECIPE, "magnitude", 1, 0.5)).result_path, (2e9, 2e9))
    os.utime(write_result(home, longer).result_path, (1e9, 1e9))
    assert list(studies(Results(home).frame())) == [RECIPE.key, other.key]
    os.utime(home.run(longer.run_id).result_path, (3e9, 3e9))
    assert list(studies(Results(home).frame())) == [other.key, RECIPE.key]


def test_studies_with_the_same_words_get_different_labels(home):
    for place in "ab":
        recipe = Recipe("demo", f"folder:/{place}/pictures", 8, RECIPE.train, None)
        write_result(home, RunSpec(recipe, "dense", 1))
    labels = list(studies(Results(home).frame()).values())
    assert len(set(labels)) == 2
    assert all(label.startswith("demo · folder pictures") for label in labels)


def test_change_is_against_the_dense_run_of_the_same_seed(home):
    for seed, dense, pruned in ((1, 90.0, 89.0), (2, 80.0, 79.0)):
        write_result(home, RunSpec(RECIPE, "dense", seed), test_accuracy=dense)
        write_result(home, RunSpec(RECIPE, "magnitude", seed, 0.5), test_accuracy=pruned)
    write_result(home, RunSpec(RECIPE, "magnitude", 3, 0.5), test_accuracy=10.0)  # its dense run is not there
    row = summarise(study_of(home)).iloc[-1]
    assert row["accuracy_change"] == pytest.approx(-1.0)
    assert row["n"] == 3


def test_dense_comes_first_then_the_registrys_order(home):
    write_study(home, methods=("random", "structured", "magnitude"), seeds=(1,))
    summary = summarise(study_of(home))
    assert list(dict.fromkeys(summary["method"])) == ["dense", "magnitude", "structured", "random"]
    assert list(summary["sparsity"]) == [0.0, *[0.5, 0.7, 0.9] * 3]


def write_result_text(folder, changes):
    folder.result_path.write_text(json.dumps(plausible_record(folder.spec) | changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: folder.result_path.write_text("{"),
        lambda folder: folder.result_path.write_text("[]"),
        lambda folder: folder.result_path.write_text(""),
        lambda folder: folder.result_path.write_bytes(b"\xff\xfe"),
        lambda folder: folder.result_path.write_text(json.dumps({"run_id": folder.run_id})),
        lambda folder: folder.result_path.write_text(json.dumps({"run_id": "another"})),
        lambda folder: folder.result_path.write_text("[" * 100_000),
        lambda folder: write_result_text(folder, {"speedup": "fast"}),
        lambda folder: write_result_text(folder, {"mac_ratio": 1e308}),
        lambda folder: write_result_text(folder, {"settings": {"x": math.nan}}),
        lambda folder: folder.spec_path.write_text("nothing"),
        lambda folder: folder.spec_path.unlink(),
        lambda folder: (folder.result_path.unlink(), folder.result_path.mkdir()),
    ],
)
def test_a_damaged_run_has_no_row_and_harms_no_other(home, damage):
    good = write_result(home, RunSpec(RECIPE, "dense", 1))
    damage(write_result(home, RunSpec(RECIPE, "magnitude", 1, 0.5)))
    results = Results(home)
    assert list(results.frame()["run_id"]) == [good.run_id]
    assert list(results.frame()["run_id"]) == [good.run_id]


def test_a_run_that_is_mended_is_read_again(home):
    spec = RunSpec(RECIPE, "dense", 1)
    folder = write_result(home, spec, test_accuracy=50.0)
    results = Results(home)
    assert list(results.frame()["test_accuracy"]) == [50.0]
    write_result(home, spec, test_accuracy=60.0)
    assert list(results.frame()["test_accuracy"]) == [60.0]
    folder.spec_path.write_text("nothing")
    assert results.frame().empty
    home.create(spec)
    assert list(results.frame()["test_accuracy"]) == [60.0]


def test_what_a_caller_does_to_the_frame_stays_with_the_caller(home):
    write_result(home, RunSpec(RECIPE, "dense", 1), test_accuracy=50.0)
    results = Results(home)
    frame = results.frame()
    frame.loc[0, "test_accuracy"] = 0.0
    frame["more"] = 1
    assert list(results.frame()["test_accuracy"]) == [50.0]
    assert "more" not in results.frame()


def test_only_what_changed_is_read(home, monkeypatch):
    write_study(home)
    results = Results(home)
    results.frame()
    read = []
    monkeypatch.setattr("core.results.frame._row", lambda folder: read.append(folder.run_id))
    results.frame()
    assert read == []
    new = write_result(home, RunSpec(RECIPE, "magnitude", 1, 0.8))
    results.frame()
    assert read == [new.run_id]


def test_an_empty_home_and_one_that_cannot_be_read(tmp_path):
    assert Results(Home(tmp_path / "nowhere")).frame().empty
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(InputError, match="cannot be read"):
        Results(Home(tmp_path)).frame()
