"""Figures for files: what is drawn is what was measured, and says where it comes from."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
import vl_convert

from core.report.figures import figures, without_title
from core.results.frame import Results, study_frame
from core.results.pareto import pareto_front
from core.results.statistics import summarise
from core.runs.folder import Home
from core.runs.status import curves
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from tests.korean import korean as in_korean
from tests.records import write_result

RECIPE = build_recipe("demo")
CAPTION = ["Synthetic data", "demo · 3 seeds"]


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path).prepare()
    for spec in study_runs(RECIPE, ["magnitude", "structured"], [0.5, 0.9], [1, 2, 3]):
        write_result(home, spec)
    return home


@pytest.fixture
def study(home):
    return study_frame(Results(home).frame(), RECIPE.key)


def densities(study):
    rows = [(run_id, layer, 0.5) for run_id in study["run_id"] for layer in ("conv1", "fc")]
    return pd.DataFrame(rows, columns=["run_id", "layer", "density"])


def values(spec):
    """All rows that a figure draws, whatever the layer."""
    return [row for rows in spec["datasets"].values() for row in rows]


def test_every_figure_has_a_title_its_caption_and_its_numbers(home, study):
    drawn = figures(study, densities(study), curves(home.runs()), CAPTION)
    assert list(drawn) == ["tradeoff_curve", "size_latency", "pareto", "layer_density", "training_curves"]
    for name, spec in drawn.items():
        assert spec["title"]["subtitle"] == CAPTION, name
        json.dumps(spec, allow_nan=True)
    seeds = {row["mean"] for row in values(drawn["tradeoff_curve"]) if "seed" in row}
    assert seeds == set(study["test_accuracy"])
    epochs = [row for row in values(drawn["training_curves"]) if "epoch" in row]
    assert (
        len(epochs) == 3 * 3 + 2 * 12
    )  # three epochs of three dense runs; of each pruned run one, and what it began with
    assert {row["density"] for row in values(drawn["layer_density"])} == {0.5}
    assert "Dense" not in {row.get("variant") for row in values(drawn["layer_density"])}


def test_a_figure_can_be_rendered_with_its_words_in_it(home, study):
    spec = figures(study, densities(study), curves(home.runs()), CAPTION)["pareto"]
    text = vl_convert.vegalite_to_svg(spec)
    assert all(word in text for word in ("Accuracy against size", *CAPTION, "Magnitude", "Structured", "Dense"))


def test_figures_in_korean_have_the_same_numbers_and_korean_words(home, study):
    parts = densities(study), curves(home.runs()), CAPTION
    english, korean = figures(study, *parts), in_korean(figures, study, *parts)
    assert list(korean) == list(english)
    for name in english:
        numbers = [
            sorted(str({k: v for k, v in row.items() if k != "variant"}) for row in values(drawn[name]))
            for drawn in (english, korean)
        ]
        assert numbers[0] == numbers[1], name
        written = " ".join(re.findall(">([^<]+)</text>", vl_convert.vegalite_to_svg(korean[name])))
        assert all(word in written for word in ("크기 기준 (Magnitude)", "구조적 (Structured)")), name
        assert not any(word in written for word in ("ccuracy", "parsity", "Epoch", "Dense ", "Share", "Latency")), name


def test_what_there_are_no_numbers_for_is_not_drawn(study):
    dense = study[study["method"] == "dense"]
    none = (
        pd.DataFrame(columns=["run_id", "layer", "density"]),
        pd.DataFrame(columns=["run_id", "epoch", "test_accuracy"]),
    )
    assert list(figures(dense, *none, CAPTION)) == ["tradeoff_curve", "size_latency"]


def test_a_study_of_thousands_of_epochs_is_drawn(study):
    long = pd.DataFrame(
        [(run_id, epoch, 90.0) for run_id in study["run_id"] for epoch in range(1, 401)],
        columns=["run_id", "epoch", "test_accuracy"],
    )
    drawn = figures(study, densities(study), long, CAPTION)["training_curves"]
    assert len(values(drawn)) == 400 * len(study) > 5000


def test_the_front_holds_exactly_what_nothing_beats(study):
    summary = summarise(study)
    front = set(pareto_front(summary).index)
    for index, row in summary.iterrows():
        beaten = (
            (summary["model_size_mb"] <= row["model_size_mb"])
            & (summary["test_accuracy"] >= row["test_accuracy"])
            & ((summary["model_size_mb"] < row["model_size_mb"]) | (summary["test_accuracy"] > row["test_accuracy"]))
        ).any()
        assert (index in front) == (not beaten)


def test_a_long_caption_is_cut(study):
    none = (
        pd.DataFrame(columns=["run_id", "layer", "density"]),
        pd.DataFrame(columns=["run_id", "epoch", "test_accuracy"]),
    )
    (line,) = figures(study, *none, ["x" * 1000])["pareto"]["title"]["subtitle"]
    assert len(line) < 200


def test_no_axis_stands_below_a_place_without_a_chart(home, study):
    """The two sparsities leave one of three places empty; the number of axes below is that of the charts."""
    spec = figures(study, densities(study), curves(home.runs()), CAPTION)["layer_density"]
    assert vl_convert.vegalite_to_svg(spec).count(">Share of the weights left<") == 2


def test_without_title_all_else_stays(home, study):
    spec = figures(study, densities(study), curves(home.runs()), CAPTION)["pareto"]
    assert without_title(spec) == {key: value for key, value in spec.items() if key != "title"}
    text = vl_convert.vegalite_to_svg(without_title(spec))
    assert not any(word in text for word in ("Accuracy against size", *CAPTION))
