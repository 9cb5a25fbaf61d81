"""The Launch page: what it says will happen is what is submitted, and bad input is a sentence."""

import pytest

from core.study.methods import DEFAULT_METHODS, METHODS
from core.study.presets import PRESETS
from core.study.record import State
from core.study.spec import RunSpec
from tests.records import write_result

RECIPE = PRESETS["demo"].recipe


def click(app, label):
    (button,) = (button for button in app.button if label in button.label)
    app = button.click().run()
    assert not app.exception
    return app


def said(app):
    return "\n".join(element.value for kind in (app.info, app.error, app.success, app.warning) for element in kind)


def test_it_offers_every_method_and_launches_what_it_says(open_page, submitted, home):
    app = open_page("launch")
    assert not app.exception
    assert app.pills(key="methods to launch").options == [METHODS[name].label for name in METHODS]
    assert "1 dense run and 6 pruned runs" in said(app)
    click(app, "Launch 7 runs")
    assert [spec.is_dense for spec in submitted] == [True] + [False] * 6
    assert {spec.method for spec in submitted[1:]} == set(DEFAULT_METHODS)
    assert {spec.recipe.preset for spec in submitted} == {"demo"}
    assert {folder.state() for folder in home.runs()} == {State.QUEUED}


def test_own_sparsities_seeds_and_settings_reach_the_runs(open_page, submitted):
    app = open_page("launch")
    app.pills(key="methods to launch").set_value(["lottery_ticket"])
    app.multiselect(key="sparsities").set_value(["0.85"])
    app.multiselect(key="seeds").set_value(["7", "8"])
    app = app.run()
    app = app.selectbox(key="lottery_ticket rewind_epoch").set_value(1).run()
    app = app.number_input(key="epochs demo").set_value(3).run()
    assert "2 dense runs and 2 pruned runs" in said(app)
    click(app, "Launch 4 runs")
    pruned = [spec for spec in submitted if not spec.is_dense]
    assert {(spec.sparsity, spec.seed, dict(spec.settings)["rewind_epoch"]) for spec in pruned} == {
        (0.85, 7, 1),
        (0.85, 8, 1),
    }
    assert {spec.recipe.train.epochs for spec in submitted} == {3}


def test_what_is_done_is_said_and_not_launched_again(open_page, submitted, home):
    for spec in (RunSpec(RECIPE, "dense", 42), RunSpec(RECIPE, "magnitude", 42, 0.9)):
        write_result(home, spec)
    app = open_page("launch")
    assert "2 are done already" in said(app)
    click(app, "Launch 5 runs")
    assert len(submitted) == 5


def test_a_study_that_is_all_done_leads_to_compare(open_page, home):
    write_result(home, RunSpec(RECIPE, "dense", 42))
    write_result(home, RunSpec(RECIPE, "magnitude", 42, 0.5))
    app = open_page("launch")
    app.pills(key="methods to launch").set_value(["magnitude"])
    app = app.multiselect(key="sparsities").set_value(["0.5"]).run()
    assert "All of these runs are done" in said(app)
    assert not any("Launch" in button.label for button in app.button)


@pytest.mark.parametrize(
    ("widget", "value", "says"),
    [
        ("sparsities", ["1.0"], "below 1"),
        ("sparsities", ["-0.5"], "below 1"),
        ("sparsities", ["nan"], "below 1"),
        ("sparsities", ["lots"], "not a number"),
        ("sparsities", [], "sparsities is empty"),
        ("seeds", ["-1"], "seed"),
        ("seeds", ["1.5"], "not a whole number"),
        ("seeds", ["9" * 30], "seed"),
        ("seeds", ["9" * 5000], "not a whole number"),
        ("seeds", [], "seeds is empty"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_can_be_launched(open_page, home, widget, value, says):
    app = open_page("launch").multiselect(key=widget).set_value(value).run()
    assert not app.exception
    assert says in said(app)
    assert not any("Launch" in button.label for button in app.button)
    assert not home.runs()


def test_no_method_is_a_sentence(open_page):
    app = open_page("launch").pills(key="methods to launch").set_value([]).run()
    assert "methods is empty" in said(app)


def test_a_folder_that_is_missing_is_a_sentence(open_page):
    app = open_page("launch")
    (data,) = (group for group in app.segmented_control if group.key == "data demo")
    app = data.set_value("folder:").run()
    assert "Give the folder" in said(app)
    app = app.text_input(key="folder").set_value("/does/not/exist").run()
    assert not app.exception
    assert "a folder that exists" in said(app)


def test_a_home_that_cannot_be_written_is_a_sentence(open_page, home, monkeypatch):
    app = open_page("launch")
    home.checkpoints.rmdir()
    home.checkpoints.write_text("")
    app = click(app, "Launch 7 runs")
    assert "cannot be written" in said(app)
