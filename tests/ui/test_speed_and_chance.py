"""What a run's own pages say of its speed and of a network that only guesses."""

from core.results.metrics import METRICS
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
from tests.records import write_result

RECIPE = PRESETS["demo"].recipe


def metrics(app):
    return {metric.label: (metric.value, metric.delta) for metric in app.metric}


def test_masks_alone_make_no_network_faster(open_page, home):
    folder = write_result(home, RunSpec(RECIPE, "snip", 1, 0.9), speedup=1.32, batch_speedup=0.78)
    shown = metrics(open_page("model", run=folder.run_id))
    assert shown["Speed-up, 1 image"] == shown["Speed-up, batch"] == ("1×", "same operations")


def test_a_measured_speedup_has_its_interval(open_page, home):
    interval = {"ratio": 2.0, "low": 1.9, "high": 2.2, "rounds": 9}
    folder = write_result(home, RunSpec(RECIPE, "structured", 1, 0.9), speedup=2.0, speedups={"speedup": interval})
    shown = metrics(open_page("model", run=folder.run_id))
    assert shown["Speed-up, 1 image"] == ("2.00×", "± 0.20")


def test_runs_shows_no_latency_that_was_timed_beside_nothing(open_page, home):
    write_result(home, RunSpec(RECIPE, "magnitude", 1, 0.9), inference_latency_ms=6.17, speedup=0.4)
    (table,) = (frame.value for frame in open_page("runs").dataframe)
    assert list(table["relative_latency"]) == [1.0]
    assert "6.17" not in table.to_string()
    assert "dense = 1" in METRICS["relative_latency"].label


def test_a_network_that_guesses_is_flagged(open_page, home):
    folder = write_result(home, RunSpec(RECIPE, "magnitude", 1, 0.9), test_accuracy=10.0)
    assert any("No better than guessing" in warning.value for warning in open_page("model", run=folder.run_id).warning)
    assert "at chance level" in open_page("runs").dataframe[0].value["state"].iloc[0]
