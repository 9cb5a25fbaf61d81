"""The Runs page: states, reasons, and buttons that act on the runs they name."""

import json
import os
import time
from dataclasses import replace

import pytest

from core.jobs.queue import Queue
from core.runs.estimate import Estimate, record_forecast
from core.runs.folder import State
from core.runs.lease import Lease
from core.spec.errors import InputError
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
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
    table = app.dataframe[0].value.set_index("method")
    assert table.loc["Structured", "progress"] == 75
    assert table.loc["Structured", "phase"] == "Fine-tuning, 2 minutes left"
    assert table.loc["Structured", "accuracy"] == 55
    assert table.loc["Dense", "state"].endswith("Done")


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
    monkeypatch.setattr(
        "ui.shared.services.BackgroundReconciler.poll", lambda self: InputError("No scheduler answers.")
    )
    assert "No scheduler answers." in text(open_page("runs"))


def test_cancel_acts_on_the_selected_run_only(open_page, home, select_rows):
    for spec in (DENSE, PRUNED):
        home.create(spec).enqueue()
    app = open_page("runs")
    place = list(app.dataframe[0].value["method"]).index("Magnitude")
    click(select_rows(app, place), "Cancel selected (1)")
    assert home.run(PRUNED.run_id).state() == State.CANCELLED
    assert home.run(DENSE.run_id).state() == State.QUEUED


def test_a_selection_stays_with_its_runs_when_the_order_changes(open_page, home, select_rows):
    home.create(DENSE).enqueue()
    app = select_rows(open_page("runs"), 0)
    assert labels(app) == ["Cancel selected (1)"]
    other = home.create(RunSpec(PRESETS["quick"].recipe, "dense", 1))
    other.enqueue()
    app = app.run()
    assert list(app.dataframe[0].value["recipe"]) == [other.spec.recipe.label, DENSE.recipe.label]
    click(app, "Cancel selected (1)")
    assert (home.run(DENSE.run_id).state(), other.state()) == (State.CANCELLED, State.QUEUED)


def test_the_runs_of_the_last_launch_are_marked_and_active_ones_come_first(open_page, home, submitted):
    for seed in range(1, 16):
        write_result(home, RunSpec(RECIPE, "magnitude", seed, 0.5))
    home.create(RunSpec(RECIPE, "structured", 1, 0.5)).enqueue()
    app = open_page("runs").text_input(key="find").set_value("seed 3").run()
    app = app.switch_page("pages/launch.py").run()
    app = app.text_input(key="seeds").set_value("77").run()
    app = app.pills(key="methods to launch").set_value(["magnitude"]).run()
    app = click(app, "Launch 4 runs")
    launched = home.run(submitted[0].run_id).events()[-1]["launch"]
    app.query_params["launched"] = launched  # AppTest does not go where st.switch_page leads
    app = app.switch_page("pages/runs.py").run()
    for page in (app, open_page("runs", launched=launched)):  # as after a reload
        table = page.dataframe[0].value
        assert len(table) == 20  # what was looked for before hides nothing
        assert list(table["method"][:4]) == ["» Dense", "» Magnitude", "» Magnitude", "» Magnitude"]
        assert set(table["seed"][:4]) == {77}
        assert table["method"][4] == "Structured"
        assert not any("»" in method for method in table["method"][4:])
        assert "» marks the runs of the last launch." in text(page)
    for spec in submitted:
        write_result(home, spec).append("queued", launch=launched)
    assert list(app.run().dataframe[0].value["method"][:2]) == ["Structured", "» Dense"]


def test_a_launch_that_is_not_here_is_passed_over(open_page, home):
    write_result(home, DENSE)
    app = open_page("runs", launched="nothing")
    assert not app.exception
    assert "which there is not here" in app.info[0].value


def test_what_the_filter_hides_is_neither_cancelled_nor_drawn_and_a_cancel_is_undone(
    open_page, home, submitted, monkeypatch
):
    drawn = {}
    monkeypatch.setattr("ui.runs.page.curve_chart", keep_frame(drawn, "curves"))
    write_many(home)
    hidden = [home.create(RunSpec(RECIPE, "structured", seed, 0.9)) for seed in (1, 2, 3)]
    shown = [home.create(RunSpec(RECIPE, "magnitude", seed, 0.7)) for seed in (1, 2)]
    for folder in (*hidden, *shown):
        folder.enqueue()
    app = open_page("runs").multiselect(key="method").set_value(["Magnitude"]).run()
    assert labels(app) == ["Cancel shown (2)"]  # and no Retry: what failed is hidden
    assert drawn["curves"]["run"].str.startswith("Magnitude").all()
    app = click(app, "Cancel shown (2)")
    assert {folder.state() for folder in shown} == {State.CANCELLED}
    assert {folder.state() for folder in hidden} == {State.QUEUED}
    assert "2 runs were cancelled." in text(app)
    app = click(app, "Undo")
    assert {folder.state() for folder in shown} == {State.QUEUED}
    assert len(submitted) == 2
    assert "2 runs were queued again." in text(app)
    click(app, "Undo")
    assert {folder.state() for folder in shown} == {State.CANCELLED}


def test_where_others_have_to_go_along_it_asks(open_page, home, submitted, select_rows):
    for spec in (DENSE, PRUNED):
        home.create(spec).enqueue()
    app = open_page("runs")
    place = list(app.dataframe[0].value["method"]).index("Dense")
    app = select_rows(app, place)
    assert labels(app) == ["Cancel 2 runs"]  # within "Cancel selected (1 + 1)"
    assert PRUNED.run_id in text(app)
    app = click(app, "Cancel 2 runs")
    assert {folder.state() for folder in home.runs()} == {State.CANCELLED}
    assert "2 runs were cancelled." in text(app)
    app = select_rows(app, 1 - place)
    assert "Retry 2 runs" in labels(app)
    click(app, "Retry 2 runs")
    assert submitted == [DENSE, PRUNED]


def test_a_run_that_is_stopping_cannot_be_queued_again_yet(open_page, home):
    folder = home.create(DENSE)
    folder.enqueue()
    with Lease(folder.path):
        app = click(open_page("runs"), "Cancel all (1)")
        (undo,) = (button for button in app.button if button.key == "undo")
        assert undo.disabled
    (undo,) = (button for button in app.run().button if button.key == "undo")
    assert not undo.disabled


def test_a_click_acts_on_the_runs_that_its_button_was_drawn_for(open_page, home):
    drawn, later = (home.create(RunSpec(RECIPE, "dense", seed)) for seed in (1, 2))
    later.path.rename(home.path / "not yet launched")
    app = open_page("runs")
    (home.path / "not yet launched").rename(later.path)
    click(app, "Cancel all (1)")
    assert (drawn.state(), later.state()) == (State.CANCELLED, State.QUEUED)


def test_what_was_cancelled_is_retried_only_when_selected(open_page, home, submitted, select_rows):
    home.create(DENSE).append("cancelled")
    app = open_page("runs")
    assert labels(app) == []
    assert any("when it is selected and retried" in caption.value for caption in app.caption)
    click(select_rows(app, 0), "Retry selected (1)")
    assert submitted == [DENSE]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InputError("No *scheduler* answers."), r"No \*scheduler\* answers."),
        (OSError(28, "No space left"), "No space left"),
    ],
)
def test_a_retry_that_fails_is_a_sentence(open_page, home, monkeypatch, error, says):
    def fail(self, folders):
        raise error

    monkeypatch.setattr(Queue, "_dispatch", fail)
    home.create(DENSE).append("failed", reason="because")
    app = click(open_page("runs"), "Retry all (1)")
    assert [says in shown.value for shown in app.error] == [True]
    assert home.run(DENSE.run_id).state() == State.QUEUED


def test_a_reason_is_shown_once_for_all_runs_and_letter_by_letter(open_page, home):
    reason = "/pictures/*a*/[b](http://c) is :red[empty] & $bad$."
    for seed in (1, 2):
        home.create(RunSpec(RECIPE, "dense", seed)).append("failed", reason=reason)
    dependant = home.create(PRUNED)
    dependant.append("failed", reason=f"Its dense run {DENSE.run_id} failed: {reason.rstrip('.')}. Retry runs both.")
    home.run(DENSE.run_id).log_path.write_text("Traceback")
    (error,) = open_page("runs").error
    assert r"/pictures/\*a\*/\[b\](http\://c) is \:red\[empty\] & \$bad\$." in error.value
    assert "2 runs" in error.value
    assert "1 more failed with it" in error.value
    assert f"log.txt in checkpoints/{DENSE.run_id}" in error.value


def test_runs_of_two_recipes_that_are_called_the_same_have_a_curve_and_a_bar_each(open_page, home, monkeypatch):
    drawn = {}
    monkeypatch.setattr("ui.runs.page.curve_chart", keep_frame(drawn, "curves"))
    monkeypatch.setattr("ui.runs.page.cost_chart", keep_frame(drawn, "costs"))
    longer = replace(RECIPE, finetune=replace(RECIPE.finetune, epochs=3))
    specs = [PRUNED, RunSpec(longer, "magnitude", 1, 0.9), DENSE]
    for spec in specs:
        write_result(home, spec)
    open_page("runs")
    assert drawn["curves"].groupby("run")["run_id"].nunique().to_list() == [1, 1, 1]
    assert not drawn["curves"].duplicated(["run", "epoch"]).any()
    # The newest recipe's runs only, its dense run among them.
    assert len(drawn["costs"]) == 2


def test_two_runs_that_are_called_the_same_have_a_column_each(open_page, home, select_rows):
    longer = replace(RECIPE, finetune=replace(RECIPE.finetune, epochs=3))
    for spec in (PRUNED, RunSpec(longer, "magnitude", 1, 0.9)):
        write_result(home, spec)
    app = open_page("runs")
    table = app.dataframe[0].value
    app = select_rows(app, *table.index[table["method"] == "Magnitude"])
    columns = json.loads(app.dataframe[1].proto.columns)
    names = [columns[side]["label"] for side in ("first", "second")]
    assert len(set(names)) == 2
    assert all(name.startswith(PRUNED.label) for name in names)


def keep_frame(drawn, name):
    import altair as alt  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    def chart(frame, *_):
        drawn[name] = frame
        return alt.Chart(pd.DataFrame({"x": [1]})).mark_point().encode(x="x:Q")

    return chart


def test_while_data_is_prepared_nothing_counts_as_trained(open_page, home):
    folder = home.create(DENSE)
    with Lease(folder.path):
        folder.append("started")
        folder.report_progress(phase="Downloading CIFAR-10 (40 %)", fraction=0.4, seconds_left=1)
        app = open_page("runs")
    row = app.dataframe[0].value.iloc[0]
    assert (row["phase"], row["progress"]) == ("Downloading CIFAR-10 (40 %)", 0)
    assert "left (a rough guess)" in text(app)


@pytest.mark.parametrize("page", ["compare", "launch", "runs"])
def test_a_home_that_cannot_be_read_is_a_sentence_on_every_page(open_page, home, page):
    home.checkpoints.rmdir()
    home.checkpoints.write_text("")
    app = open_page(page)
    assert not app.exception
    assert "cannot be read" in app.error[0].value


def test_a_home_that_goes_while_the_page_is_open_is_a_sentence(open_page, home):
    home.create(DENSE).enqueue()
    app = open_page("runs")
    home.checkpoints.rename(home.path / "elsewhere")
    home.checkpoints.write_text("")
    app = app.run()
    assert not app.exception
    assert "cannot be read" in app.error[0].value


def test_delete_asks_first_and_moves_to_the_trash(open_page, home, select_rows):
    for spec in (DENSE, PRUNED):
        write_result(home, spec)
    app = open_page("runs")
    assert not any("trash" in label for label in labels(app))  # only for what is selected
    place = list(app.dataframe[0].value["method"]).index("Magnitude")
    app = select_rows(app, place)
    assert PRUNED.run_id in text(app)
    app = click(app, "Move to trash")
    assert [folder.run_id for folder in home.runs()] == [DENSE.run_id]
    assert len(list((home.path / "trash").iterdir())) == 1
    app = click(app, "Undo")
    assert "1 run is back from the trash." in text(app)
    assert home.run(PRUNED.run_id).state() == State.DONE


def test_deleting_what_others_need_is_refused_in_a_sentence(open_page, home, select_rows):
    for spec in (DENSE, PRUNED):
        write_result(home, spec)
    app = open_page("runs")
    app = click(select_rows(app, list(app.dataframe[0].value["method"]).index("Dense")), "Move to trash")
    assert "delete both, or keep both" in text(app)
    assert len(home.runs()) == 2


def test_want_of_memory_offers_a_smaller_batch_as_a_click(open_page, home, submitted):
    home.create(DENSE).append("failed", reason="Out of GPU memory at batch size 64.", smaller_batch=32)
    pruned = home.create(PRUNED)
    pruned.append("failed", reason=f"Its dense run {DENSE.run_id} failed: out of memory.")
    click(open_page("runs"), "Launch all 2 with batch size 32")
    assert {spec.method for spec in submitted} == {"dense", "magnitude"}
    assert {spec.recipe.train.batch_size for spec in submitted} == {32}
    assert {spec.recipe.finetune.batch_size for spec in submitted if not spec.is_dense} == {32}


@pytest.mark.parametrize("size", [None, "32", 1, True, -4, [32]])
def test_a_garbled_suggestion_is_not_offered(open_page, home, size):
    home.create(DENSE).append("failed", reason="Out of memory.", smaller_batch=size)
    app = open_page("runs")
    assert not app.exception
    assert not any("batch size" in label for label in labels(app))


def test_what_is_left_is_shared_by_the_runs_that_go_on_at_once(open_page, home, monkeypatch):
    for seed in (1, 2):
        home.create(RunSpec(RECIPE, "dense", seed)).enqueue()
    left = []
    for workers in (1, 2):
        monkeypatch.setattr("ui.runs.page.runs_at_once", lambda workers=workers: workers)
        (line,) = (e.value for e in open_page("runs").markdown if "left (a rough guess)" in e.value)
        left.append(line)
    assert left[0] != left[1]


def write_many(home):
    for seed in (1, 2, 3):
        write_result(home, RunSpec(RECIPE, "dense", seed))
        for sparsity in (0.5, 0.9):
            write_result(home, RunSpec(RECIPE, "magnitude", seed, sparsity))
    home.create(RunSpec(RECIPE, "structured", 1, 0.5)).append("failed", reason="because")


def test_a_filter_leaves_what_is_asked_for_and_is_in_the_address(open_page, home):
    write_many(home)
    app = open_page("runs")
    assert len(app.dataframe[0].value) == 10
    assert not {"find", "state", "method", "group"} & set(app.query_params)  # nothing chosen, nothing said
    app = app.multiselect(key="method").set_value(["Magnitude"]).run()
    app = app.text_input(key="find").set_value("seed 2").run()
    assert not app.exception
    assert set(app.dataframe[0].value["method"]) == {"Magnitude"}
    assert app.query_params["method"] == "Magnitude"
    app = app.text_input(key="find").set_value("nothing like that").run()
    assert "No run is like that" in app.info[0].value


def test_seeds_share_a_row_and_are_selected_together(open_page, home, select_rows):
    write_many(home)
    app = open_page("runs").toggle(key="group").set_value(True).run()
    table = app.dataframe[0].value
    assert len(table) == 4
    place = list(zip(table["method"], table["sparsity"], strict=True)).index(("Magnitude", 0.9))
    assert table.loc[place, "done"] == 3
    assert table["interval"].notna().sum() == 3
    app = select_rows(app, place)
    click(app, "Move to trash")
    assert len(home.runs()) == 7


def test_one_run_shows_its_journal_and_log_letter_by_letter_and_two_what_sets_them_apart(open_page, home, select_rows):
    write_result(home, DENSE)
    folder = write_result(home, PRUNED)
    folder.log_path.write_text("".join(f"line {n} <b>*x*</b>\n" for n in range(300)))
    app = open_page("runs")
    place = list(app.dataframe[0].value["method"]).index("Magnitude")
    app = select_rows(app, place)
    journal, log = (code.value for code in app.code)
    assert "done, test accuracy" in journal
    assert log.splitlines() == [f"line {n} <b>*x*</b>" for n in range(200, 300)]
    assert "model" in [link.proto.page for link in app.get("page_link")]
    app = select_rows(app, 0, 1)
    found = app.dataframe[1].value.set_index("field")
    assert set(found.loc["method"]) == {"dense", "magnitude"}


def test_a_log_that_is_a_link_is_not_followed(open_page, home, select_rows, tmp_path):
    folder = write_result(home, DENSE)
    (tmp_path / "secret").write_text("secret")
    folder.log_path.symlink_to(tmp_path / "secret")
    app = select_rows(open_page("runs"), 0)
    assert not app.exception
    assert "log.txt cannot be read" in text(app)
    assert not any("secret" in code.value for code in app.code)


def test_what_was_estimated_stands_beside_what_it_took(open_page, home):
    folder = write_result(home, DENSE)
    record_forecast(home, Estimate(1500.0, True), [DENSE.run_id])
    os.utime(folder.result_path, (time.time() + 27 * 60,) * 2)
    assert "The last launch, 1 run: estimated about 25 minutes, took 27 minutes." in text(open_page("runs"))


def test_the_load_of_the_machine_is_shown_while_something_runs(open_page, home):
    write_result(home, DENSE)
    assert "CPU " not in text(open_page("runs"))
    home.create(PRUNED).enqueue()
    assert "CPU " in text(open_page("runs"))


def test_the_second_chart_is_in_the_address(open_page, home):
    write_result(home, DENSE)
    app = open_page("runs")
    assert "measure" not in app.query_params
    app = app.selectbox(key="measure").set_value("images_per_second").run()
    assert app.query_params["measure"] == "images_per_second"
    app = app.switch_page("pages/launch.py").run().switch_page("pages/runs.py").run()
    assert app.selectbox(key="measure").value == "images_per_second"
