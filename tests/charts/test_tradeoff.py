"""The charts: every seed is there, intervals only where they exist, and a method always looks the same."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts.line_labels import line_labels
from core.charts.pareto import pareto_chart
from core.charts.slider import slider_data, with_slider
from core.charts.styles import assign_styles
from core.charts.tradeoff import ACCURACY, BATCH_LATENCY, LATENCY, MACS, RATIO, SIZE, draws_every_run, tradeoff_chart
from core.results.frame import Results, study_frame
from core.results.statistics import interpolate, summarise
from core.runs.folder import Home
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from tests.records import write_result

RECIPE = build_recipe("demo")


@pytest.fixture
def study(tmp_path):
    home = Home(tmp_path).prepare()
    specs = [
        *study_runs(RECIPE, ["magnitude", "structured"], [0.0, 0.5, 0.7, 0.9], [1, 2, 3]),
        *study_runs(RECIPE, ["structured"], [0.5, 0.7, 0.9], [1], {"structured": {"allocation": "global"}}),
    ]
    for spec in specs:
        write_result(home, spec)
    return study_frame(Results(home).frame(), RECIPE.key)


def layers_of(chart):
    """Each layer of the compiled chart as (mark, rows of its data, encoding)."""
    compiled = chart if isinstance(chart, dict) else chart.to_dict()
    data = compiled["datasets"]
    return [
        (
            layer["mark"]["type"],
            pd.DataFrame(layer["data"].get("values") or data[layer["data"]["name"]]),
            layer["encoding"],
        )
        for layer in compiled["layer"]
    ]


def draw(study, panel=ACCURACY, shown=None, **options):
    summary = summarise(study)
    assigned = assign_styles(summary)
    return tradeoff_chart(panel, study, summary, {name: assigned[name] for name in shown or assigned}, **options)


def test_every_seed_is_a_point_with_its_numbers(study):
    _, data, encoding = layers_of(draw(study))[-1]
    assert len(data) == len(study)
    assert sorted(data["mean"]) == sorted(study["test_accuracy"])
    fields = {tooltip["field"] for tooltip in encoding["tooltip"]}
    assert fields >= {"seed", "reached_sparsity", "test_accuracy", "model_size_mb", "inference_latency_ms"}
    assert list(data["x"]) == list(data["sparsity"])


def test_means_are_large_points_at_their_true_place_and_seeds_small_ones(study):
    *_, (_, means, encoding), (_, _, seeds) = layers_of(draw(study))
    assert list(means["x"]) == pytest.approx(list(means["sparsity"]))
    assert sorted(means["mean"]) == pytest.approx(sorted(summarise(study)["test_accuracy"]))
    size = encoding["size"]  # of one seed, else of several
    assert draw(study).to_dict()["layer"][-1]["mark"]["size"] == size["value"]
    (several,) = size["condition"]
    assert several["value"] > size["value"]
    assert "size" not in seeds


def test_lines_are_named_at_their_ends_where_all_end_at_one_sparsity_and_else_in_a_legend(study):
    def named(chart):
        legend = layers_of(chart)[-1][2]["color"]["legend"] is not None
        names = [set(data["variant"]) for mark, data, _ in layers_of(chart) if mark == "text"]
        return legend, names

    study.loc[study["variant"] == "Magnitude", "test_accuracy"] += 5
    study.loc[study["method"] == "dense", "test_accuracy"] += 9
    study.loc[study["variant"] == "Structured", "test_accuracy"] -= 5
    variants = {"Magnitude", "Structured", "Structured (allocation global)"}
    assert named(draw(study, legend="lines")) == (False, [{"Dense", *variants}])
    shorter = study[(study["variant"] != "Magnitude") | (study["sparsity"] < 0.9)]
    assert named(draw(shorter, legend="lines")) == (True, [])
    assert named(draw(study)) == (False, [])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=9))
def test_names_of_lines_do_not_touch_and_keep_the_order(ends):
    lines = pd.DataFrame({"variant": [f"v{rank}" for rank in range(len(ends))], "sparsity": 0.9, "mean": ends})
    if (labels := line_labels(lines, np.ptp(ends), 300)) is not None:
        labels = labels.sort_values("mean")
        assert (labels["place"].diff().dropna() * 300 / np.ptp(ends) > 13).all()


def test_lines_go_through_the_means_from_dense_on_and_stop_where_the_next_point_is_too_far(study):
    summary = summarise(study)
    (line,) = [data for mark, data, _ in layers_of(draw(study)) if mark == "line"]
    for variant, group in line.groupby("variant"):
        assert list(group["mean"]) == list(
            summary.loc[summary["variant"] == variant, "test_accuracy"]
        )  # dense is too far
        assert group["segment"].nunique() == 1
    summary["sparsity"] = summary["sparsity"].replace({0.5: 0.3})
    chart = tradeoff_chart(ACCURACY, study, summary, assign_styles(summary))
    (line,) = [data for mark, data, _ in layers_of(chart) if mark == "line"]
    for _, group in line.groupby("variant"):
        assert [list(part["sparsity"]) for _, part in group.groupby("segment")] == [[0, 0.3], [0.7, 0.9]]
        assert group["mean"].iloc[0] == summary["test_accuracy"][0]


def test_bands_exist_only_where_there_is_an_interval_and_stay_possible(study):
    study.loc[study["method"] == "magnitude", "test_accuracy"] = [99.0, 99.9, 60.0] * 3
    (band,) = [data for mark, data, _ in layers_of(draw(study)) if mark == "area"]
    assert set(band["variant"]) == {"Magnitude", "Structured"}  # the third has one seed
    assert band[["low", "high"]].notna().all().all()
    assert band["high"].max() == 100
    middle = study["variant"].eq("Structured") & study["sparsity"].eq(0.7) & study["seed"].gt(1)
    study.loc[middle, "test_accuracy"] = float("nan")  # one seed left: no interval, and so no band over it
    (band,) = [data for mark, data, _ in layers_of(draw(study)) if mark == "area"]
    assert set(band["variant"]) == {"Magnitude"}


def test_networks_at_chance_level_are_labelled_and_noted(study):
    assert not [mark for mark, _, _ in layers_of(draw(study)) if mark == "text"]
    dead = study["variant"].eq("Magnitude") & study["sparsity"].eq(0.9)
    study.loc[dead, ["test_accuracy", "at_chance"]] = [10.0, True]
    for chart in (draw(study, SIZE), pareto_chart(summarise(study), assign_styles(summarise(study)), SIZE, runs=study)):
        layers = chart.to_dict()["layer"]
        (words,) = [layer for layer in layers if layer["mark"].get("text") == "at chance level"]
        rows = chart.to_dict()["datasets"][words["data"]["name"]]
        assert [(row["variant"], row["sparsity"]) for row in rows] == [("Magnitude", 0.9)]
        (points,) = [
            (data, encoding) for mark, data, encoding in layers_of(chart) if mark == "point" and "run_id" in data
        ]
        assert "note" in {tooltip["field"] for tooltip in points[1]["tooltip"]}
        assert set(points[0].loc[points[0]["note"] == "at chance level", "run_id"]) == set(study.loc[dead, "run_id"])


def test_dense_is_a_line_of_its_own(study):
    dense = summarise(study)["test_accuracy"][0]
    rules = [data for mark, data, encoding in layers_of(draw(study)) if mark == "rule" and "x" not in encoding]
    assert [list(data["mean"]) for data in rules] == [[dense]]


def test_the_slider_is_a_rule_with_a_ring_on_each_line(study):
    summary = summarise(study)
    assigned = assign_styles(summary)
    marked = interpolate(summary, 0.8)
    spec = draw(study).to_dict()
    before = json.dumps(spec)
    layers = with_slider(spec, ACCURACY)["layer"]
    assert [(layer["mark"]["type"], layer["data"]["name"]) for layer in layers[-3:-1]] == [
        ("rule", "slider"),
        ("point", "rings"),
    ]
    data = slider_data(ACCURACY, marked, assigned, 0.8)
    assert data["slider"] == [{"x": 0.8}]
    assert [ring["mean"] for ring in data["rings"]] == list(marked["test_accuracy"])
    assert [ring["color"] for ring in data["rings"]] == [assigned[variant].color for variant in marked["variant"]]
    assert {ring["origin"] for ring in data["rings"]} == {"interpolated"}
    assert json.dumps(spec) == before


def test_a_move_of_the_slider_leaves_the_chart_as_it_is(study):
    spec = draw(study).to_dict()
    assert with_slider(spec, ACCURACY) == with_slider(spec, ACCURACY)
    fields = {
        entry["field"]
        for layer in with_slider(spec, ACCURACY)["layer"][-3:-1]
        for channel in layer["encoding"].values()
        for entry in (channel if isinstance(channel, list) else [channel])
    }
    data = slider_data(ACCURACY, interpolate(summarise(study), 0.9), assign_styles(summarise(study)), 0.9)
    assert fields == {name for rows in data.values() for row in rows for name in row}


def test_a_value_that_is_missing_gets_no_ring(study):
    marked = interpolate(summarise(study), 0.8)
    marked.loc[0, "test_accuracy"] = float("nan")
    data = slider_data(ACCURACY, marked, assign_styles(summarise(study)), 0.8)
    assert len(data["rings"]) == len(marked) - 1
    json.dumps(data, allow_nan=False)


def test_against_a_ratio_dense_stands_at_one_on_a_logarithmic_axis_and_the_slider_is_rings_alone(study):
    summary = summarise(study)
    spec = draw(study, axis=RATIO).to_dict()
    _, points, encoding = layers_of(spec)[-1]
    assert encoding["x"]["scale"]["type"] == "log"
    dense = points[points["variant"] == "Dense"]
    assert list(dense["x"]) == [1.0] * len(dense)
    assert sorted(points["x"]) == sorted(study["size_ratio"])
    assert "slider" not in [layer["data"]["name"] for layer in with_slider(spec, ACCURACY, RATIO)["layer"]]
    marked = interpolate(summary, 0.8)
    data = slider_data(ACCURACY, marked, assign_styles(summary), 0.8, RATIO)
    assert list(data) == ["rings"]
    assert [ring["x"] for ring in data["rings"]] == list(marked["size_ratio"])


def test_of_too_many_runs_the_range_is_drawn_with_the_means(study, monkeypatch):
    assert draws_every_run(study, assign_styles(summarise(study)))
    monkeypatch.setattr("core.charts.tradeoff.MAX_POINTS", 5)
    assert not draws_every_run(study, assign_styles(summarise(study)))
    spec = draw(study, select="run").to_dict()
    assert "params" not in spec  # a mean is no run that could be opened
    (means,) = (data for mark, data, _ in layers_of(spec) if mark == "point")
    summary = summarise(study)
    assert sorted(means["mean"]) == pytest.approx(sorted(summary["test_accuracy"]))
    lowest = study.groupby(["variant", "sparsity"])["test_accuracy"].min()
    assert sorted(means["low"]) == sorted(lowest)


def test_a_click_finds_the_run_of_a_point(study):
    spec = draw(study, select="run").to_dict()
    (param,) = spec["params"]
    assert (param["name"], param["select"]["fields"]) == ("run", ["run_id"])
    _, points, _ = layers_of(spec)[-1]
    assert set(points["run_id"]) == set(study["run_id"])
    assert param["views"] == [spec["layer"][-1]["name"]]


def test_hiding_a_method_changes_no_other(study):
    def style(chart):
        *_, (_, _, encoding) = layers_of(chart)
        return {
            name: (color, shape)
            for name, color, shape in zip(
                encoding["color"]["scale"]["domain"],
                encoding["color"]["scale"]["range"],
                encoding["shape"]["scale"]["range"],
                strict=True,
            )
        }

    everything = style(draw(study))
    part = style(draw(study, shown=["Structured (allocation global)"]))
    assert part.items() < everything.items()
    assert len({color for name, (color, _) in everything.items() if "(" not in name}) == 3
    assert len({shape for name, (_, shape) in everything.items() if name in ("Magnitude", "Structured")}) == 2


def test_variants_of_a_method_share_its_colour_and_differ_otherwise(study):
    assigned = assign_styles(summarise(study))
    plain, special = assigned["Structured"], assigned["Structured (allocation global)"]
    assert plain.color == special.color
    assert plain.shape != special.shape
    assert plain.glyph != special.glyph


@pytest.mark.parametrize("panel", [ACCURACY, SIZE, LATENCY, BATCH_LATENCY, MACS])
def test_the_axis_says_what_it_shows_and_in_which_unit(study, panel):
    encodings = [encoding for mark, _, encoding in layers_of(draw(study, panel)) if mark == "line"]
    title = encodings[0]["y"]["axis"]["title"]
    assert title == panel.title
    assert title.endswith(")")
    assert encodings[0]["y"]["scale"]["zero"] is (panel is not ACCURACY)


def test_a_study_of_dense_runs_alone_can_be_drawn(study):
    dense = study[study["method"] == "dense"]
    assert [len(data) for mark, data, _ in layers_of(draw(dense)) if mark == "point"] == [1, 3]


@pytest.fixture
def before():
    """Accuracy before fine-tuning, of one variant that is in the study and one that is not."""
    rows = [(name, x, 94 - 90 * x) for name in ("Magnitude", "Random") for x in (0.0, 0.2, 0.5, 0.98)]
    return pd.DataFrame(rows, columns=["variant", "sparsity", "accuracy"]).assign(repaired=math.nan)


def test_accuracy_before_finetuning_is_a_dashed_line_behind_all_else_in_the_methods_colour(study, before):
    first, *rest = layers_of(draw(study, before=before))
    mark, data, encoding = first
    assert mark == "line"
    assert set(data["variant"]) == {"Magnitude"}
    assert list(data["accuracy"]) == list(before["accuracy"][:4])
    assert set(data["when"]) == {"before fine-tuning"}
    assert {tooltip["field"] for tooltip in encoding["tooltip"]} == {"variant", "when", "sparsity", "accuracy"}
    (line,) = [other for mark, _, other in rest if mark == "line"]
    assert encoding["color"] == line["color"]
    described = draw(study, before=before).to_dict()["layer"][0]["mark"]
    assert described["strokeDash"]
    assert described["clip"]
    assert [mark for mark, _, _ in layers_of(draw(study))] == [mark for mark, _, _ in rest]


def test_the_curve_before_finetuning_does_not_squeeze_what_was_measured(study, before):
    low, high = layers_of(draw(study, before=before))[0][2]["y"]["scale"]["domain"]
    measured = study["test_accuracy"]
    assert low < measured.min() < measured.max() < high <= 100
    assert low > measured.min() - 20 > before["accuracy"].min()


def test_the_slider_stands_above_the_curve_before_finetuning(study, before):
    marks = [layer["mark"]["type"] for layer in with_slider(draw(study, before=before).to_dict(), ACCURACY)["layer"]]
    assert (marks[0], marks[-1]) == ("line", "point")
    assert len(marks) == len(layers_of(draw(study))) + 3
