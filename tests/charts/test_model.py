"""Charts of one network: every number in them comes from its examination."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from core.charts import model as charts
from core.runs.diagnostics import BINS
from tests.diagnostics import CLASSES, examination, layers


def rows(chart):
    """All data of a chart, checked against the schema of Vega-Lite."""
    spec = chart.to_dict()
    return pd.DataFrame([row for data in spec["datasets"].values() for row in data])


def test_each_layer_has_a_bar_with_its_density_and_shapes():
    frame = rows(charts.density_chart(examination())).set_index("layer")
    assert list(frame.index) == ["conv1", "layer1.0.conv1", "fc"]
    assert frame["left"].tolist() == pytest.approx([100 * 8 / 108, 50, 100 * 8 / 12])
    assert frame.loc["conv1", "shapes"] == "4×3×3×3 → 3×3×3×3"
    table = charts.layer_table(examination())
    assert table["Weights left"].tolist() == frame["weights"].tolist() == [8, 8, 8]


def test_filters_are_counted_in_convolutions_only():
    frame = rows(charts.filter_chart(examination()))
    assert frame["layer"].tolist() == ["conv1", "layer1.0.conv1"]
    assert frame["label"].tolist() == ["3 of 4", "4 of 4"]
    assert frame["left"].tolist() == [75, 100]


def test_the_map_has_a_cell_for_each_filter_of_the_dense_network():
    frame = rows(charts.filter_map(examination()))
    stem = frame[frame["layer"] == "conv1"]
    assert stem["left"].tolist() == [40, 0, 12, 1]
    assert stem["start"].tolist() == [0, 0.25, 0.5, 0.75]
    assert stem["end"].iloc[-1] == 1
    assert len(frame) == 8
    unknown = examination(layers=tuple(replace(layer, filters=None) for layer in layers()))
    assert rows(charts.filter_map(unknown)).empty


def test_a_histogram_has_all_weights_in_bins_that_meet():
    (layer, *_) = layers()
    frame = rows(charts.weight_chart(layer))
    assert len(frame) == BINS
    assert frame["count"].sum() == 8
    assert (frame["low"].iloc[0], frame["high"].iloc[-1]) == (-0.5, 0.5)
    assert frame["low"].iloc[1:].tolist() == pytest.approx(frame["high"].iloc[:-1].tolist())


def test_classes_are_sorted_by_what_pruning_cost_them():
    table = charts.class_table(examination())
    assert table["class"].tolist() == ["cat", "dog", "car"]
    assert table["change"].tolist() == pytest.approx([-40, -20, 10])
    assert table["accuracy"].tolist() == pytest.approx([50, 80, 90])
    frame = rows(charts.class_chart(table, dense=False))
    assert frame["label"].tolist() == ["-40.0", "-20.0", "+10.0"]
    assert len(charts.class_chart(table, dense=True).layer) == 1


def test_a_class_without_test_pictures_is_left_out():
    none = examination(
        pictures=(10, 0, 20), correct=(5, 0, 9), dense_correct=(9, 0, 8), confusion=((5, 4, 1), (0, 0, 0), (2, 9, 9))
    )
    assert charts.class_table(none)["class"].tolist() == ["cat", "car"]
    assert rows(charts.confusion_chart(none))["share"].notna().all()


def test_the_confusion_matrix_has_every_count_and_its_share_of_the_class():
    frame = rows(charts.confusion_chart(examination())).set_index(["truth", "predicted"])
    assert frame.loc[("cat", "dog"), ["count", "share"]].tolist() == [4, 40]
    assert frame["count"].sum() == 30
    assert {pair for pair, right in frame["right"].items() if right} == {(name, name) for name in CLASSES}


def test_the_size_is_all_of_the_file_beside_what_it_is_compared_with():
    found = examination()
    assert charts.size_table(found)["bytes"].tolist() == [800, 100, 72, 228]
    assert charts.size_table(found)["share"].sum() == pytest.approx(100)
    frame = rows(charts.size_chart(found)).dropna(subset="part")
    sizes = frame.groupby("file", sort=False)["bytes"].sum().to_dict()
    assert list(sizes.values()) == [6_500, 5_000, 6_000, 1_200]
    dense = rows(charts.size_chart(replace(found, dense=found.model))).dropna(subset="part")
    assert dense["file"].nunique() == 2


def test_the_charts_hold_plain_numbers_that_json_knows():
    assert "NaN" not in json.dumps(charts.class_chart(charts.class_table(examination()), dense=False).to_dict())
