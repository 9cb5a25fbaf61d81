"""The chart of what recovery did."""

import math

import pandas as pd

from core.charts.recovery import recovery_chart
from core.charts.styles import Style
from ui.compare.recovery import retraining_epochs


def test_each_variant_has_a_mark_for_each_accuracy_that_was_measured_and_the_epochs_that_it_took():
    stages = {
        "accuracy_before_finetuning": [20.0, 30.0],
        "accuracy_after_repair": [70.0, math.nan],
        "test_accuracy": [77.0, 75.0],
    }
    variants = ["Magnitude (repair best)", "Random"]
    marked = pd.DataFrame({"method": ["magnitude", "random"], "variant": variants, "measured": [True, False], **stages})
    styles = {name: Style(f"#00000{n}", "circle", "●", name.upper()) for n, name in enumerate(variants)}
    chart = recovery_chart(marked, styles, {variants[0]: 3, variants[1]: 1}, 78.0)
    marks = chart.layer[2]
    found = marks.data.sort_values(["variant", "opacity"])[["variant", "accuracy", "took", "origin"]]
    assert found.to_numpy().tolist() == [
        ["MAGNITUDE (REPAIR BEST)", 20.0, "none", "mean of the seeds"],
        ["MAGNITUDE (REPAIR BEST)", 70.0, "none", "mean of the seeds"],
        ["MAGNITUDE (REPAIR BEST)", 77.0, "3 epochs", "mean of the seeds"],
        ["RANDOM", 30.0, "none", "interpolated"],
        ["RANDOM", 75.0, "1 epoch", "interpolated"],
    ]
    assert marks.data.groupby("stage")["opacity"].nunique().eq(1).all()
    assert marks.data["opacity"].nunique() == 3
    chart.to_dict()


def test_the_epochs_are_those_of_the_runs_at_the_sparsity_shown():
    runs = pd.DataFrame(
        [("magnitude", "A", 0.5, 4), ("magnitude", "A", 0.9, 20), ("dense", "Dense", 0.0, 12)],
        columns=["method", "variant", "sparsity", "epochs"],
    )
    for sparsity, epochs in ((0.5, 4), (0.6, 4), (0.9, 20)):
        assert retraining_epochs(runs, pd.DataFrame({"variant": ["A"], "sparsity": [sparsity]})) == {"A": epochs}
