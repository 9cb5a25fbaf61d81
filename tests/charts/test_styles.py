"""The visual language: what differs is told apart, also in grey."""

from __future__ import annotations

import itertools
import json

import pandas as pd
import pytest

from core.charts import styles
from core.charts.live import curve_chart
from core.charts.pareto import CHOICE, pareto_chart, with_recommendation
from core.charts.slider import with_slider
from core.charts.styles import distinct_styles
from core.charts.tradeoff import ACCURACY, SIZE, tradeoff_chart
from core.results.frame import Results, study_frame
from core.results.statistics import summarise
from core.runs.folder import Home
from core.spec.grid import study_runs
from core.spec.methods import DENSE, METHODS
from core.spec.presets import build_recipe
from tests.records import write_result


def luminance(color):
    """Of a colour as #RRGGBB, from 0 (black) to 1 (white): ITU-R BT.709."""
    linear = [(int(color[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def variants(methods, each):
    return distinct_styles({f"{name} {rank}": name for name in methods for rank in range(each)})


@pytest.mark.parametrize(("methods", "each"), [(len(METHODS), 1), (4, 3), (2, 6), (1, 13)])
def test_in_grey_all_of_a_usual_study_differ_by_shape(methods, each):
    assigned = [*variants(list(METHODS)[:methods], each).values(), styles.DENSE_STYLE]
    assert len({style.shape for style in assigned}) == len({style.glyph for style in assigned}) == methods * each + 1
    assert len({style.color for style in assigned}) == methods + 1


def test_of_more_variants_than_shapes_those_of_a_method_and_neighbours_differ_in_grey():
    assigned = variants(METHODS, 4)
    for one, other in itertools.combinations(assigned.values(), 2):
        assert one.color != other.color or one.shape != other.shape
    for one, other in itertools.pairwise(assigned.values()):
        assert one.shape != other.shape or abs(luminance(one.color) - luminance(other.color)) > 0.1


def test_a_method_keeps_its_colour_and_its_first_variants_shape_whatever_is_beside_it():
    alone, among = variants(["structured"], 1), variants(METHODS, 2)
    assert alone["structured 0"] == among["structured 0"]
    assert variants([DENSE], 2)["dense 1"].color == styles.GREY


def test_what_is_kept_and_lost_has_no_methods_colour_and_differs_in_grey():
    assert not {styles.KEPT, styles.LOST} & {style.color for style in variants(METHODS, 1).values()}
    assert abs(luminance(styles.KEPT) - luminance(styles.LOST)) > 0.1


def test_nothing_but_accuracy_before_finetuning_is_dashed_and_nothing_but_rings_is_hollow(tmp_path):
    recipe, home = build_recipe("demo"), Home(tmp_path).prepare()
    for spec in study_runs(recipe, ["magnitude"], [0.0, 0.5], [1, 2]):
        write_result(home, spec)
    study = study_frame(Results(home).frame(), recipe.key)
    before = pd.DataFrame({"variant": "Magnitude", "sparsity": [0.0, 0.5], "accuracy": [90.0, 80.0]})
    before["repaired"] = before["accuracy"] + 1
    assigned = styles.assign_styles(summarise(study))
    tradeoff = tradeoff_chart(ACCURACY, study, summarise(study), assigned, before=before, select="run").to_dict()
    pareto = pareto_chart(summarise(study), assigned, runs=study).to_dict()
    live = curve_chart(pd.DataFrame({"run": ["a"], "epoch": [1], "loss": [1.0]}), "loss", {"a": "snip"}).to_dict()
    layers = [*with_slider(tradeoff, ACCURACY)["layer"], *with_recommendation(pareto, SIZE)["layer"], *live["layer"]]
    dashed = [layer for layer in layers if "strokeDash" in json.dumps(layer)]
    assert ["accuracy" in json.dumps(layer["encoding"]) for layer in dashed] == [True, True]
    points = [layer for layer in layers if layer["mark"]["type"] == "point"]
    hollow = [layer["data"]["name"] for layer in points if not layer["mark"]["filled"]]
    assert hollow == ["rings", CHOICE]
