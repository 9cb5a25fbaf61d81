"""The chart of accuracy against cost: what is written along the front can be read."""

import itertools

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts.pareto import labelled
from core.results.pareto import pareto_front


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 100)), min_size=1, max_size=30))
def test_labels_along_the_front_do_not_touch(points):
    shown = pd.DataFrame(points, columns=["model_size_mb", "test_accuracy"])
    front = pareto_front(shown)
    found = labelled(front, shown, "model_size_mb")
    assert front.index[-1] in found.index  # the most accurate
    x, y = np.log(found["model_size_mb"]), found["test_accuracy"]
    wide, high = np.ptp(np.log(shown["model_size_mb"])) or 1, np.ptp(shown["test_accuracy"]) or 1
    for one, other in itertools.combinations(found.index, 2):
        assert abs(x[one] - x[other]) > 0.05 * wide or abs(y[one] - y[other]) > 0.06 * high
