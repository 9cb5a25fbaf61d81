"""Charts of runs that go on: each run has a line and a bar of its own, whatever it is called."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from core.charts.live import MEASURES, cost_chart, curve_chart, distinct_labels
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec

RECIPE = build_recipe("demo")


def test_a_label_is_as_long_as_it_takes_to_tell_the_runs_apart():
    longer = build_recipe("demo", finetune_epochs=7)
    places = [replace(RECIPE, data=f"folder:/{place}/pictures") for place in "ab"]
    specs = [RunSpec(recipe, "magnitude", 1, 0.5) for recipe in (RECIPE, longer, *places)]
    dense = RunSpec(RECIPE, "dense", 1)
    names = distinct_labels([*specs, dense])
    assert names[dense.run_id] == dense.label
    assert names[specs[0].run_id] == f"{specs[0].label} · {RECIPE.label}"
    assert len(set(names.values())) == 5
    assert all(names[spec.run_id].endswith(spec.run_id[-4:]) for spec in specs[2:])


def draw(curves, measure):
    return curve_chart(curves, measure, dict.fromkeys(curves["run"], "magnitude")).to_dict()


def test_no_name_is_cut_where_names_are_long():
    names = [f"Magnitude 0.9, seed 1 · demo · synthetic · width 8 · 5+{n} epochs" for n in (2, 7)]
    frame = pd.DataFrame({"run": names, "epoch": [1, 1], **dict.fromkeys(MEASURES, 1.0)})
    legend = draw(frame, "loss")["layer"][1]["encoding"]["color"]["legend"]
    assert legend["columns"] == 1  # a narrow window has no room for two
    assert legend["labelLimit"] > 7 * max(map(len, names))


def test_what_was_not_measured_at_an_epoch_does_not_break_the_line():
    frame = pd.DataFrame(
        {"run": "a", "epoch": [0, 1, 2], "test_accuracy": [10.0, 50.0, 60.0], "loss": [None, 1.0, 0.5]}
    )
    drawn = {name: next(iter(draw(frame, name)["datasets"].values())) for name in ("test_accuracy", "loss")}
    assert [row["epoch"] for row in drawn["test_accuracy"]] == [0, 1, 2]
    assert [row["epoch"] for row in drawn["loss"]] == [1, 2]


def test_a_run_looks_the_same_in_charts_of_what_not_all_have():
    frame = pd.DataFrame({"run": ["b", "a", "b"], "epoch": [0, 1, 1], "test_accuracy": 10.0, "loss": [None, None, 1.0]})
    for name in ("test_accuracy", "loss"):
        encoding = draw(frame, name)["layer"][1]["encoding"]
        assert encoding["color"]["scale"]["domain"] == encoding["shape"]["scale"]["domain"] == ["a", "b"]
        assert len(set(encoding["color"]["scale"]["range"])) == 1  # of one method
        assert len(set(encoding["shape"]["scale"]["range"])) == 2


def test_a_cut_in_the_middle_of_the_first_epoch_is_within_the_chart():
    frame = pd.DataFrame({"run": ["a"], "epoch": [0.5], "test_accuracy": [10.0]})
    assert draw(frame, "test_accuracy")["layer"][1]["encoding"]["x"]["scale"]["domain"] == [0, 1]


def test_every_run_has_a_bar_with_its_number():
    costs = pd.DataFrame({"run": ["a", "b"], "size_mb": [1.0, 2.0]})
    chart = cost_chart(costs, "size_mb", "Size (MB)").to_dict()
    (rows,) = chart["datasets"].values()
    assert [row["size_mb"] for row in rows] == [1.0, 2.0]
    assert [layer["mark"]["type"] for layer in chart["layer"]] == ["bar", "text"]
    assert chart["layer"][0]["encoding"]["x"]["scale"]["domain"][1] > 2.0  # the longest bar leaves room for its number
