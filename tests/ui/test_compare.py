"""The Compare page, run from app.py against a home with made-up results."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest, local_script_runner

from core.report.tables import efficiency_table
from core.results.frame import Results, study_frame
from core.results.metrics import METRICS, table_metrics
from core.runs.sensitivity import Curve, Sensitivity, write_sensitivity
from core.spec.grid import study_runs
from core.spec.methods import METHODS as REGISTRY
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.records import write_int8_result, write_result
from ui.compare import page, recommendation
from ui.compare.table import VIEWS, metric_columns, show_table

REPOSITORY = Path(__file__).parents[2]
RECIPE = build_recipe("demo")
METHODS = ["magnitude", "structured", "lottery_ticket"]


def write_study(home, recipe=RECIPE, methods=METHODS, sparsities=(0.0, 0.5, 0.9), seeds=(1, 2), **overrides):
    for spec in study_runs(recipe, methods, sparsities, seeds):
        write_result(home, spec, **overrides)


def open_page(**query):
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return run(app)


def run(target):
    """The page after ``target``, the app or a widget of it, was run."""
    app = target.run()
    assert not app.exception
    return app


def text(app):
    kinds = (app.title, app.markdown, app.caption, app.info, app.warning, app.error, app.subheader)
    return "\n".join(element.value for kind in kinds for element in kind)


def accuracies(app):
    return [metric.value for metric in app.metric if metric.label.startswith("Accuracy")]


def links(app, field="page"):
    return [getattr(link.proto, field) for link in app.get("page_link")]


def test_an_empty_home_says_what_to_do(home):
    app = open_page()
    assert "No results yet" in text(app)
    assert links(app)[0] == "launch"
    assert not app.metric


def test_a_study_is_shown_with_cards_charts_table_and_origin(home):
    write_study(home)
    app = open_page()
    shown = text(app)
    for label in ("Magnitude", "Structured", "Lottery ticket"):
        assert f"**{label}**" in shown
    assert "drawn pictures, not photographs" in shown
    assert RECIPE.label in shown
    assert "Test machine, 2 cores" in shown
    assert "14 runs" in shown
    assert "interpolated" not in shown
    assert "2 seeds" in shown
    assert all("±" in metric.label for metric in app.metric[::4])
    assert "no speed-up on ordinary kernels" in shown
    assert len(app.metric) == 4 * len(METHODS)
    assert len(app.get("vega_lite_chart")) == 6  # four trade-offs, recovery and the front
    assert len(app.dataframe[0].value) == 1 + 2 * len(METHODS)
    assert app.slider(key="sparsity").value == 0.9
    assert [box.key for box in app.selectbox] == ["file"]


def test_who_chose_the_test_pictures_of_a_folder_is_said(home):
    recipe = replace(RECIPE, data="folder:/pictures", size=64)
    write_study(home, recipe, ["magnitude"], (0.0, 0.9), (1,), test_split="by name")
    shown = text(open_page())
    assert "/pictures" in shown
    assert "64x64" in shown
    assert "a fifth for testing, by a hash of the names" in shown


def test_moving_the_slider_changes_the_cards_and_marks_what_is_interpolated(home):
    write_study(home, sparsities=(0.0, 0.7, 0.9))
    app = open_page()
    before = [metric.value for metric in app.metric]
    run(app.slider(key="sparsity").set_value(0.8))
    assert [metric.value for metric in app.metric] != before
    assert text(app).count("badge[interpolated, 0.7 to 0.9]") == len(METHODS)
    assert "A ring without points in it is interpolated" in text(app)
    run(app.slider(key="sparsity").set_value(0.0))
    assert len(set(accuracies(app))) == 1
    assert "interpolated" not in text(app)


@pytest.mark.parametrize("sparsity", [0.5, 0.7, 0.95])
def test_where_nothing_is_measured_nearby_the_card_says_so_with_what_is_and_a_link_to_launch_it(home, sparsity):
    write_study(home, sparsities=(0.0, 0.9), test_accuracy=57.36)
    app = open_page(sparsity=f"{sparsity:g}")
    assert not app.metric
    assert text(app).count("not measured here") == len(METHODS)
    assert text(app).count(f"Not measured at {sparsity:g}; nearest: 57.36 % at 0.9.") == len(METHODS)
    queries = [query for query in links(app, "query_string") if f"sparsities={sparsity:g}" in query]
    assert len(queries) == len(METHODS)
    assert all("preset=demo" in query and "seeds=1&seeds=2" in query for query in queries)


def test_a_network_at_chance_level_is_flagged_in_cards_table_and_answer(home):
    write_study(home, methods=["magnitude"])
    app = open_page(accuracy="9")
    assert "chance level" not in text(app)
    assert "at_chance" not in app.dataframe[0].value
    write_result(home, RunSpec(RECIPE, "magnitude", 1, 0.9), test_accuracy=10.0)
    app = open_page(accuracy="9")
    assert ":red-badge[1 of 2 seeds at chance level]" in text(app)
    assert list(app.dataframe[0].value["at_chance"]) == [0, 0, 1]
    assert "**1 of 2 seeds at chance level**: no better than guessing" in text(app)  # it is the smallest network
    write_result(home, RunSpec(RECIPE, "magnitude", 2, 0.9), test_accuracy=10.0)
    assert ":red-badge[at chance level]" in text(open_page())


def test_every_pair_is_compared_where_it_was_measured_and_nowhere_else(home):
    accuracies = {"magnitude": (92.0, 92.5, 91.5), "structured": (92.1, 92.3, 91.7), "random": (60.0, 60.4, 59.8)}
    for method, by_seed in accuracies.items():
        for seed, accuracy in enumerate(by_seed, 1):
            write_result(home, RunSpec(RECIPE, "dense", seed), test_accuracy=94.0 + seed / 10)
            write_result(home, RunSpec(RECIPE, method, seed, 0.9), test_accuracy=accuracy)
    app = open_page()
    (matrix,) = (table.value for table in app.table)
    assert len(matrix) == len(matrix.columns) == 4
    cells = {
        (row[1], column[1]): matrix.iat[i, j]
        for i, row in enumerate(heads(matrix.index))
        for j, column in enumerate(heads(matrix.columns))
    }
    assert "cannot be told apart" in cells["Magnitude", "Structured"]
    assert "better" in cells["Magnitude", "Random"]
    assert "worse" in cells["Random", "Magnitude"]
    assert not cells["Dense", "Dense"]
    assert "Holm" in text(app)
    run(app.slider(key="sparsity").set_value(0.7))
    assert not app.table
    assert "Only measured values are compared: the runs are at sparsity 0.9." in text(app)


def heads(labels):
    """Glyph and name of each label."""
    return [label.split("\u00a0", 1) for label in labels]


def test_downloads_hold_what_the_page_shows_and_every_run(home, monkeypatch):
    buttons = {}
    monkeypatch.setattr("streamlit.download_button", lambda label, **options: buttons.update({label: options}))
    write_study(home, environment={"hardware": "=cmd|' /C calc'!A0"})
    app = open_page(methods=["Magnitude"])
    table, runs = (
        list(csv.DictReader(io.StringIO(buttons[label]["data"]()))) for label in ("Download CSV", "All runs as CSV")
    )
    assert buttons["Download CSV"]["file_name"] == "efficiency_table.csv"
    assert {options["on_click"] for options in buttons.values()} == {"ignore"}
    assert [row["method"] for row in table] == ["Dense", "Magnitude", "Magnitude"]
    shown = app.dataframe[0].value
    assert [float(row["accuracy_percent"]) for row in table] == pytest.approx(list(shown["accuracy_percent"]))
    assert len(runs) == 14
    assert {row["device"] for row in runs} == {"'=cmd|' /C calc'!A0"}
    assert {row["seed"] for row in runs} == {"1", "2"}


def test_each_number_of_the_files_is_in_some_view_of_the_table(home):
    write_study(home)
    for folder in home.runs():
        write_int8_result(folder)
    first = ["method", "sparsity", "seeds"]
    views = {**{view: [METRICS[name] for name in names] for view, names in VIEWS.items()}, "all": table_metrics()}
    for view, metrics in views.items():
        app = open_page(columns=view)
        assert list(app.dataframe[0].value) == [
            *first,
            *(name for metric in metrics for name in metric_columns(metric)),
        ]
        assert app.query_params.get("columns", "results") == view
    columns = [name for name in efficiency_table(study_frame(Results(home).frame(), RECIPE.key)) if name != "at_chance"]
    assert list(app.dataframe[0].value) == columns


def test_one_seed_has_no_interval(home):
    write_study(home, seeds=(1,))
    app = open_page()
    assert "1 seed, no interval" in text(app)
    assert "±" not in text(app)
    assert "no interval" in app.table[0].value.to_string()
    assert app.dataframe[0].value["accuracy_ci95"].isna().all()


def test_the_url_chooses_study_sparsity_and_methods(home):
    other = build_recipe("demo", finetune_epochs=7)
    write_study(home)
    write_study(home, recipe=other, methods=["random"])
    app = open_page(study=RECIPE.key, sparsity="0.5", methods=["Structured"])
    assert app.selectbox(key="study").value == RECIPE.key
    assert app.slider(key="sparsity").value == 0.5
    assert len(accuracies(app)) == 1
    assert "**Structured**" in text(app)
    assert "no speed-up" not in text(app)
    assert not app.info
    run(app.selectbox(key="study").set_value(other.key))
    assert app.query_params["study"] == other.key
    assert "**Random**" in text(app)


@pytest.mark.parametrize("sparsity", ["nan", "1.5", "-0.1", "much", "", "1e999", "0x10"])
def test_a_wrong_sparsity_in_the_url_falls_back_with_a_note(home, sparsity):
    write_study(home)
    app = open_page(sparsity=sparsity)
    assert "The link says sparsity" in app.info[0].value
    assert app.slider(key="sparsity").value == 0.9


def test_an_accuracy_of_many_decimals_is_asked_for_as_it_is(home):
    write_study(home)
    app = open_page(accuracy="90.123")
    assert app.number_input(key="accuracy").value == 90.123
    assert app.query_params["accuracy"] == "90.123"
    app = run(app.number_input(key="accuracy").set_value(80.45678))
    assert len(app.dataframe) == 1  # the table below the question is there


def test_an_impossible_accuracy_does_not_set_the_question_to_nothing(home):
    write_study(home)
    usual = open_page().number_input(key="accuracy").value
    write_result(home, RunSpec(RECIPE, "magnitude", 1, 0.9), test_accuracy=150.0)  # such a record is damaged
    app = open_page()
    assert app.number_input(key="accuracy").value == usual < 100
    assert "accuracy" not in app.query_params
    assert "150" not in text(app)


def test_methods_that_another_study_lacks_are_let_go_without_a_word_about_links(home):
    other = build_recipe("demo", finetune_epochs=7)
    write_study(home)
    write_study(home, recipe=other, methods=["magnitude"])
    app = open_page(study=RECIPE.key, methods=["Magnitude", "Structured"])
    app = run(app.selectbox(key="study").set_value(other.key))
    assert len(accuracies(app)) == 1
    assert not app.info


def test_an_unknown_study_or_method_in_the_url_falls_back_with_a_note(home):
    write_study(home)
    app = open_page(study="../../etc", methods=["Nonsense", "Structured"])
    assert any("The link says study" in info.value for info in app.info)
    assert any("The link says methods = “Nonsense”" in info.value for info in app.info)
    assert app.query_params["study"] == RECIPE.key
    assert len(accuracies(app)) == 1


def test_a_damaged_run_beside_good_ones(home):
    write_study(home)
    home.run(RunSpec(RECIPE, "magnitude", 1, 0.9).run_id).result_path.write_text('{"run_id": ')
    (home.checkpoints / "empty").mkdir()
    (home.checkpoints / "not a run").write_text("")
    app = open_page()
    assert "13 runs" in text(app)
    assert "1 seed, no interval" in text(app)


def test_a_home_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "checkpoints").write_text("a file")
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    app = open_page()
    assert "cannot be read" in app.error[0].value


def test_results_of_different_hardware_come_with_a_warning(home):
    write_study(home, methods=["magnitude"])
    assert not open_page().warning
    write_study(home, methods=["structured"], environment={"hardware": "Another *machine*"})
    app = open_page()
    assert "different hardware" in app.warning[0].value
    assert r"Another \*machine\*" in text(app)


def test_dense_runs_alone(home):
    write_study(home, methods=["dense"], sparsities=(0.0,))
    app = open_page()
    assert "Only dense runs so far" in text(app)
    assert len(app.dataframe[0].value) == 1


def test_the_study_in_view_stays_when_another_one_appears(home):
    write_study(home)
    app = open_page()
    other = build_recipe("demo", finetune_epochs=7)
    write_study(home, recipe=other, methods=["random"])
    for folder in home.runs():
        if folder.spec.recipe == other:
            os.utime(folder.result_path, (4e9, 4e9))
    app = run(app)
    assert "**Magnitude**" in text(app)
    assert app.selectbox(key="study").value == RECIPE.key
    assert set(app.selectbox(key="study").options) == {RECIPE.label, other.label}
    run(app.selectbox(key="study").set_value(other.key))
    assert "**Random**" in text(app)
    assert open_page().selectbox[0].value == other.key  # somebody who comes anew sees the newest


def test_a_study_that_becomes_part_of_another_gives_way_to_that(home):
    write_study(home)
    other = build_recipe("demo", epochs=7)
    dense = write_result(home, RunSpec(other, "dense", 1)).spec
    app = open_page(study=dense.recipe.key)
    assert app.selectbox(key="study").value == dense.recipe.key
    os.utime(write_result(home, RunSpec(other, "random", 1, 0.5)).result_path, (4e9, 4e9))
    app = run(app)
    assert app.selectbox(key="study").value == other.key
    assert "**Random**" in text(app)


def test_runs_under_way_are_mentioned_and_followed(home):
    write_study(home)
    assert "runs" not in links(open_page())
    home.create(RunSpec(RECIPE, "random", 1, 0.5)).enqueue()
    app = open_page()
    assert "1 run is under way** (1 queued)" in text(app)
    assert "runs" in links(app)


def test_the_first_results_on_their_way(home):
    home.create(RunSpec(RECIPE, "dense", 1)).enqueue()
    app = open_page()
    assert "first results are on their way" in text(app)
    assert links(app) == ["runs"]


def write_curves(home, seeds=(1, 2), methods=("magnitude", "structured"), recipe=RECIPE):
    """Accuracy before fine-tuning falls from 90 % on a line to 90 % less 80 points, and by a point a seed."""
    for seed in seeds:
        folder = home.create(RunSpec(recipe, "dense", seed))
        curves = tuple(
            Curve(name, dict(REGISTRY[name].complete({})), (0.0, 0.5, 0.98), (90.0 - seed, 50.0 - seed, 10.0 - seed))
            for name in methods
        )
        write_sensitivity(folder, Sensitivity(folder.run_id, "", "", "fp32", 2000, 10_000, curves))


def dashed(app):
    """For each chart whether it has the curves before fine-tuning."""
    charts = [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]
    return [any("strokeDash" in layer["mark"] and layer["mark"].get("clip") for layer in c["layer"]) for c in charts]


def test_accuracy_before_finetuning_follows_the_slider_also_where_no_run_is(home):
    write_study(home)
    write_curves(home)
    app = open_page()
    assert text(app).count("% before fine-tuning") == 2
    run(app.slider(key="sparsity").set_value(0.74))
    assert text(app).count("≈ 28.5 % before fine-tuning") == 2
    run(app.slider(key="sparsity").set_value(0.95))
    assert text(app).count("Not measured at 0.95") == len(METHODS)
    assert text(app).count("≈ 11.0 % before fine-tuning") == 2
    run(app.slider(key="sparsity").set_value(0.99))
    assert "% before fine-tuning" not in text(app)


def test_curves_before_finetuning_can_be_switched_off(home):
    write_study(home)
    write_curves(home)
    app = open_page()
    assert app.toggle(key="before").value is True
    assert dashed(app) == [True, *[False] * 5]  # accuracy, then size, latency, MACs, recovery and the front
    assert "on 2,000 test pictures" in text(app)
    run(app.toggle(key="before").set_value(False))
    assert not any(dashed(app))
    assert "2,000" not in text(app)
    assert not open_page(methods=["Lottery ticket"]).toggle  # it has no such curve


def test_without_curves_there_is_nothing_to_switch(home):
    write_study(home)
    write_curves(home, recipe=build_recipe("demo", epochs=7))  # those of another study
    (home.run(RunSpec(RECIPE, "dense", 1).run_id).path / "sensitivity.json").write_text("{")
    app = open_page()
    assert not app.toggle
    assert "before fine-tuning" not in text(app)


def test_a_run_with_a_dead_layer_comes_with_a_warning_in_words(home):
    write_study(home)
    dead = RunSpec(RECIPE, "magnitude", 2, 0.9)
    write_result(home, dead, dead_layers=["layer4.1.conv2", "layer2.0.downsample.0", "conv1"])
    app = open_page()
    (warning,) = app.warning
    assert "**Magnitude 0.9, seed 2**" in warning.value
    assert "convolution 2 in stage 4, block 2, the shortcut in stage 2, block 1, the first convolution" in warning.value
    assert not open_page(methods=["Structured"]).warning  # it is about what is shown
    write_result(home, dead, dead_layers=[])
    assert not open_page().warning


def test_a_run_that_comes_anew_within_the_second_is_shown_as_it_is_now(home):
    write_study(home)
    run_spec = RunSpec(RECIPE, "magnitude", 2, 0.9)
    for moment, dead_layers in enumerate((["conv1"], [])):
        path = write_result(home, run_spec, dead_layers=dead_layers).result_path
        os.utime(path, ns=(10**18 + moment, 10**18 + moment))
        assert bool(open_page().warning) == bool(dead_layers)


def test_the_page_loads_neither_torch_nor_what_is_slow(home):
    write_study(home, methods=["magnitude"])
    code = (
        "import sys; from streamlit.testing.v1 import AppTest; app = AppTest.from_file('app.py', default_timeout=60).run();"
        "assert app.metric and not app.exception; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "core.charts.tradeoff" in loaded
    assert not loaded & {"torch", "torchvision", "scipy.stats", "distributed"}


def test_the_question_is_answered_with_a_run_and_a_way_to_it(home):
    write_study(home, methods=["magnitude", "structured"])
    app = open_page()
    assert "Which network to take?" in text(app)
    start = app.number_input(key="accuracy").value
    assert f"{start:g} % is one point less than the dense network has." in text(app)
    assert "accuracy" not in app.query_params
    app = run(app.number_input(key="accuracy").set_value(80.0))
    frame = Results(home).frame()
    smallest = frame.sort_values(["model_size_mb", "test_accuracy"], ascending=[True, False]).iloc[0]
    assert f"**{smallest['variant']} {smallest['sparsity']:g}**" in text(app)
    assert f"The run to take has seed {smallest['seed']}" in text(app)
    (found,) = (link for link in app.get("page_link") if link.proto.label.startswith("Open this run"))
    assert found.proto.page == "model"
    assert smallest["run_id"] in found.proto.query_string
    app = run(app.number_input(key="accuracy").set_value(99.9))
    assert "No run here has 99.9 % or more" in text(app)
    assert app.query_params["accuracy"] == "99.9"
    assert "one point less" not in text(app)
    app = run(app.number_input(key="accuracy").set_value(start))
    assert app.query_params["accuracy"] == f"{start:g}"  # else a reload would bring 99.9 back
    assert start == pytest.approx(frame.loc[frame["method"] == "dense", "test_accuracy"].mean() - 1, abs=0.06)


def test_a_lucky_seed_is_called_one_and_not_taken(home):
    write_study(home, methods=["magnitude"], sparsities=(0.0, 0.5))
    for seed, accuracy in ((1, 93.0), (2, 80.0)):
        write_result(home, RunSpec(RECIPE, "magnitude", seed, 0.9), test_accuracy=accuracy)
    app = open_page(accuracy="92")
    assert "**Magnitude 0.5**" in text(app)
    assert "Smaller, but by luck: Magnitude 0.9, seed 1 has 93.00 %; the mean of its 2 seeds is 86.50 %" in text(app)
    assert [run for run in links(app, "query_string") if "magnitude-0.5" in run]
    for seed in (1, 2):
        for method, sparsity in (("dense", 0.0), ("magnitude", 0.5)):
            write_result(home, RunSpec(RECIPE, method, seed, sparsity), test_accuracy=70.0)
    app = open_page(accuracy="92")
    assert "**Magnitude 0.9, seed 1**" in text(app)
    assert "A lucky seed: the mean of its 2 seeds is 86.50" in text(app)


def test_the_charts_can_be_drawn_against_the_compression_ratio(home):
    write_study(home)
    write_curves(home)
    app = open_page(x="ratio", latency="batch")
    specs = [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")][:4]
    titles = [spec["layer"][-1]["encoding"]["x"]["axis"]["title"] for spec in specs]
    assert titles == ["Times smaller than the dense file, logarithmic"] * 4
    assert specs[2]["layer"][-1]["encoding"]["y"]["axis"]["title"].startswith("Latency, large batch")
    assert not app.toggle  # the curves before fine-tuning are known by sparsity only


def test_of_many_variants_the_main_ones_are_shown_until_all_are_asked_for(home):
    names = [name for name in REGISTRY if name != "dense"]
    write_study(home, methods=names, sparsities=(0.0, 0.5), seeds=(1,))
    app = open_page(sparsity="0.5")
    main = sum(REGISTRY[name].group == "main" for name in names)
    assert len(app.metric) == 4 * main
    app = run(app.toggle(key="all").set_value(True))
    assert len(app.metric) == 4 * 8
    assert len(app.dataframe[0].value) == len(names) - 8  # the rest as a table
    assert len(app.dataframe[-1].value) == 1 + len(names)
    assert app.query_params["all"] == "1"


def test_every_column_of_the_table_has_a_heading_in_words():
    for metric in table_metrics():
        for column in metric_columns(metric).values():
            assert column["label"][0].isupper() or column["label"].startswith("±")
            assert column["help"]


@pytest.mark.parametrize(
    ("control", "redrawn"),
    [
        (lambda app: app.slider(key="sparsity"), {"show_cards", "show_charts"}),
        (lambda app: app.number_input(key="accuracy"), {"show_choice"}),
        (lambda app: app.segmented_control(key="columns"), {"show_table"}),
    ],
    ids=["slider", "recommendation", "table"],
)
def test_only_what_depends_on_a_control_is_drawn_again(home, monkeypatch, control, redrawn):
    write_study(home)
    calls = set()
    for module, name in ((page, "show_cards"), (page, "show_charts"), (recommendation, "show_choice")):
        monkeypatch.setattr(module, name, lambda *args, name=name: calls.add(name))
    monkeypatch.setattr(page, "show_table", lambda *args: (calls.add("show_table"), show_table(*args)))
    app = open_page()
    assert len(calls) == 4
    calls.clear()
    fragment = app.session_state._state._state._new_widget_state.widget_metadata[control(app).id].fragment_id
    with monkeypatch.context() as patch:  # AppTest has no way to run a fragment alone, as a browser does
        patch.setattr(local_script_runner, "RerunData", partial(RerunData, fragment_id_queue=[fragment]))
        run(control(app))
    assert calls == redrawn


def test_the_switch_shows_networks_in_int8_and_the_fastest_is_one(home):
    write_study(home, seeds=(1, 2, 3))
    assert not any(control.key == "precision" for control in open_page().button_group)  # none was measured
    broken = RunSpec(RECIPE, "structured", 1, 0.9)
    for folder in home.runs():
        loss = 4.0 if folder.run_id == broken.run_id else 0.25
        write_int8_result(folder, int8_accuracy=folder.result().test_accuracy - loss)
    whole, small = open_page(), open_page(precision="int8")
    assert "int8 costs more than 1 point of accuracy: Structured 0.9, seed 1" in text(small)
    before, after = (float(accuracies(app)[0].split()[0]) for app in (whole, small))
    assert after == pytest.approx(before - 0.25, abs=0.02)
    fastest = text(open_page(goal="batch", accuracy="50"))
    assert ":gray-badge[int8]" in fastest
    assert "ONNX, int8" in fastest
    assert ":gray-badge[int8]" not in text(open_page(goal="small", accuracy="50"))  # that is about another file


def test_an_int8_record_of_another_network_or_a_damaged_one_does_not_count(home):
    write_study(home, methods=["magnitude"], model_sha256="a" * 64)
    first, second, *_ = home.runs()
    write_int8_result(first, model="f" * 64)
    second.int8_path.write_text("{")
    frame = Results(home).frame()
    assert frame["int8_accuracy"].isna().all()
    assert frame.set_index("run_id").loc[second.run_id, "test_accuracy"] > 0
