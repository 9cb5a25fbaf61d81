"""The Runs page: states, reasons, and buttons that act on the runs they name."""

import pytest

from core.study.lease import Lease
from core.study.presets import PRESETS
from core.study.record import State
from core.study.spec import RunSpec
from tests.records import write_result

RECIPE = PRESETS["demo"].recipe
DENSE, PRUNED = RunSpec(RECIPE, "dense", 1), RunSpec(RECIPE, "magnitude", 1, 0.9)


def click(app, label):
    (button,) = (button for button in app.button if label in button.label)
    app = button.click().run()
    assert not app.exception
    return app


def labels(app):
    return [button.label for button in app.button]


def text(app):
    return "\n".join(element.value for kind in (app.markdown, app.caption, app.error) for element in kind)


def test_without_runs_it_says_what_to_do(open_page):
    app = open_page("runs")
    assert not app.exception
    assert "Nothing has run yet" in text(app)


def test_every_state_is_listed_with_progress_and_the_reason_of_a_failure(open_page, home):
    write_result(home, DENSE)
    failed = home.create(PRUNED)
    failed.append("failed", reason="The disk is full.")
    running = home.create(RunSpec(RECIPE, "structured", 1, 0.5))
    with Lease(running.path):
        running.append("started")
        running.append("epoch", phase="finetune", epoch=1, epochs=2, loss=1.0, test_accuracy=55.0, train_accuracy=50.0)
        running.report_progress(phase="finetune", fraction=0.75, seconds_left=100)
        app = open_page("runs")
    assert not app.exception
    assert "1 running · ✕ 1 failed · ✓ 1 done" in text(app)
    assert "The disk is full." in text(app)
    table = app.dataframe[0].value.set_index("Method")
    assert table.loc["Structured", "Progress"] == 75
    assert table.loc["Structured", "Now"] == "Fine-tuning, 2 minutes left"
    assert table.loc["Structured", "Accuracy (%)"] == 55
    assert table.loc["Dense", "State"].endswith("Done")


def test_cancel_stops_what_waits(open_page, home):
    for spec in (DENSE, PRUNED):
        home.create(spec).enqueue()
    click(open_page("runs"), "Cancel all (2)")
    assert {folder.state() for folder in home.runs()} == {State.CANCELLED}


@pytest.mark.usefixtures("home")
def test_retry_queues_what_failed_again(open_page, home, submitted):
    home.create(DENSE).append("failed", reason="because")
    write_result(home, RunSpec(RECIPE, "dense", 2))
    app = open_page("runs")
    assert labels(app) == ["Retry all (1)"]
    click(app, "Retry all (1)")
    assert submitted == [DENSE]
    assert home.run(DENSE.run_id).state() == State.QUEUED


def test_a_damaged_run_is_named_and_harms_no_other(open_page, home):
    write_result(home, DENSE)
    bad = home.create(PRUNED)
    bad.spec_path.write_text("{")
    app = open_page("runs")
    assert not app.exception
    assert "spec.json is damaged" in text(app)
    assert "1 done" in text(app)
    assert "Retry" not in "".join(labels(app))  # nobody knows what it was


def test_a_problem_with_the_cluster_is_said(open_page, home, monkeypatch):
    home.create(DENSE).enqueue()
    monkeypatch.setattr("pages._shared.keep_runs_going", lambda: "No scheduler answers.")
    assert "No scheduler answers." in text(open_page("runs"))
