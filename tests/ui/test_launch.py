"""The Launch page: what it says will happen is what is submitted, and bad input is a sentence."""

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs.queue import Queue
from core.labels import method_name
from core.results.frame import Results, study_frame
from core.runs.atomic_io import read_lines
from core.runs.folder import State
from core.spec.errors import InputError
from core.spec.methods import METHODS, default_methods
from core.spec.presets import PRESETS, build_recipe
from core.spec.spec import RunSpec
from tests.korean import korean
from tests.records import write_result
from tests.ui.conftest import ROOT
from ui.launch.link import launch_query
from ui.shared.url_values import to_texts

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
    offered = [label for pills in app.pills if pills.key.endswith("to launch") for label in pills.options]
    assert sorted(offered) == sorted(method.label for method in METHODS.values())
    assert "1 dense run and 9 pruned runs" in said(app)
    app = app.pills(key="before training to launch").set_value(["snip"]).run()
    epochs = "Magnitude, Structured (epochs: 3 dense + 1 after pruning)", "SNIP (epochs: 4, from untrained weights)"
    assert all(any(line in caption.value for caption in app.caption) for line in epochs)
    app = app.pills(key="before training to launch").set_value([]).run()
    click(app, "Launch 10 runs")
    assert [spec.is_dense for spec in submitted] == [True] + [False] * 9
    assert {spec.method for spec in submitted[1:]} == set(default_methods())
    assert {spec.sparsity for spec in submitted[1:]} == {0.5, 0.7, 0.9}  # close enough for lines
    assert {spec.recipe.preset for spec in submitted} == {"demo"}
    assert {folder.state() for folder in home.runs()} == {State.QUEUED}


def test_own_sparsities_seeds_and_settings_reach_the_runs(open_page, submitted):
    app = open_page("launch")
    app.pills(key="methods to launch").set_value(["lottery_ticket"])
    app.text_input(key="sparsities").set_value("0.85")
    app.text_input(key="seeds").set_value("7, 8")
    app = app.run()
    app = app.selectbox(key="lottery_ticket rewind_epoch recommended").set_value(1).run()
    app = app.number_input(key="epochs demo").set_value(6).run()
    assert "2 dense runs and 2 pruned runs" in said(app)
    click(app, "Launch 4 runs")
    pruned = [spec for spec in submitted if not spec.is_dense]
    assert {(spec.sparsity, spec.seed, dict(spec.settings)["rewind_epoch"]) for spec in pruned} == {
        (0.85, 7, 1),
        (0.85, 8, 1),
    }
    assert {spec.recipe.train.epochs for spec in submitted} == {6}


def test_what_is_typed_is_what_is_launched(open_page, submitted):
    """Not the first entry of a list that holds it: 123 for 1, 0.95 for 0.9."""
    app = open_page(
        "launch", sparsities=["0.95", "0.9"], seeds=["42", "123"]
    )  # as a link of an earlier version says it
    assert (app.text_input(key="sparsities").value, app.text_input(key="seeds").value) == ("0.95, 0.9", "42, 123")
    app.text_input(key="sparsities").set_value("0.9")
    app = app.text_input(key="seeds").set_value("42;1 , 1").run()
    click(app, "Launch 8 runs")
    assert {spec.seed for spec in submitted} == {42, 1}
    assert {spec.sparsity for spec in submitted} == {0.0, 0.9}


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_every_method_and_setting_can_be_launched(open_page, submitted, method):
    app = open_page("launch")
    app.pills(key="methods to launch").set_value([])
    keys = {"main": "methods to launch"}
    app = app.pills(key=keys.get(method.group, f"{method.group} to launch")).set_value([method.name]).run()
    expected = {}
    for setting in method.settings:
        if setting.matters(expected):
            expected[setting.name] = setting.choices[-1]
            app = app.selectbox(key=f"{method.name} {setting.name} recommended").set_value(setting.choices[-1]).run()
    app = app.number_input(key="epochs demo").set_value(20).run()
    app = app.number_input(key="finetune demo").set_value(20).run()
    click(app, "Launch 4 runs")
    assert {spec.method for spec in submitted} == {"dense", method.name}
    assert dict(submitted[-1].settings) == dict(method.complete(expected))


def test_how_it_is_trained_can_be_chosen(open_page, submitted):
    app = open_page("launch")
    app.number_input(key="warmup demo").set_value(1)
    app.selectbox(key="decay demo").set_value("triangular")
    app.selectbox(key="finetune_decay demo").set_value("linear")
    app.number_input(key="finetune_lr demo").set_value(0.05)
    app.number_input(key="cutout demo").set_value(8)
    app.selectbox(key="momentum demo").set_value("nesterov")
    app = app.selectbox(key="budget demo").set_value("compute").run()
    assert app.number_input(key="warmup demo").disabled  # a triangle rises by itself
    click(app, "Launch 10 runs")
    expected = build_recipe(
        "demo", decay="triangular", finetune_decay="linear", finetune_lr=0.05, cutout=8, nesterov=True, budget="compute"
    )
    assert {spec.recipe for spec in submitted if not spec.is_dense} == {expected}


def test_methods_can_be_launched_as_their_papers_had_them(open_page, submitted):
    app = open_page("launch")
    app = app.radio(key="form of the methods").set_value("published").run()
    assert any("Li et al., 2017" in text.value for text in app.markdown)
    app = app.selectbox(key="structured criterion published").set_value("l2").run()
    click(app, "Launch 10 runs")
    assert {spec.variant for spec in submitted if not spec.is_dense} == {
        "Magnitude (Han et al., 2015)",
        "Structured (Li et al., 2017, criterion l2)",
        "Lottery ticket (Frankle & Carbin, 2019)",
    }


def test_a_setting_without_effect_is_not_offered(open_page):
    app = open_page("launch")
    assert "magnitude rounds recommended" not in {box.key for box in app.selectbox}
    app = app.selectbox(key="magnitude schedule recommended").set_value("iterative").run()
    assert "magnitude rounds recommended" in {box.key for box in app.selectbox}


def test_what_is_done_is_said_and_not_launched_again(open_page, submitted, home):
    for spec in (RunSpec(RECIPE, "dense", 42), RunSpec(RECIPE, "magnitude", 42, 0.9)):
        write_result(home, spec)
    app = open_page("launch")
    assert "2 are done already" in said(app)
    click(app, "Launch 8 runs")
    assert len(submitted) == 8


def test_a_study_that_is_all_done_leads_to_compare(open_page, home):
    write_result(home, RunSpec(RECIPE, "dense", 42))
    write_result(home, RunSpec(RECIPE, "magnitude", 42, 0.5))
    app = open_page("launch")
    app.pills(key="methods to launch").set_value(["magnitude"])
    app = app.text_input(key="sparsities").set_value("0.5").run()
    assert "All of these runs are done" in said(app)
    assert not any("Launch" in button.label for button in app.button)


@pytest.mark.parametrize(
    ("widget", "value", "says"),
    [
        ("sparsities", "1.0", "below 1"),
        ("sparsities", "0.5, -0.5", "below 1"),
        ("sparsities", "nan", "below 1"),
        ("sparsities", "lots", "not a number"),
        ("sparsities", "0.995", "more than two decimals"),
        ("sparsities", "0,5", "below 1"),
        ("sparsities", "", "sparsities is empty"),
        ("seeds", "-1", "seed"),
        ("seeds", "1.5", "not a whole number"),
        ("seeds", "9" * 30, "seed"),
        ("seeds", " , ", "seeds is empty"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_can_be_launched(open_page, home, widget, value, says):
    app = open_page("launch").text_input(key=widget).set_value(value).run()
    assert not app.exception
    assert says in said(app)
    assert not any("Launch" in button.label for button in app.button)
    assert not home.runs()


def test_no_method_is_a_sentence(open_page):
    app = open_page("launch").pills(key="methods to launch").set_value([]).run()
    assert "methods is empty" in said(app)


def test_a_folder_that_is_missing_is_a_sentence(open_page):
    app = open_page("launch")
    app = app.selectbox(key="data").set_value("folder:").run()
    assert "Give the folder" in said(app)
    app = app.text_input(key="folder").set_value("/does/not/exist").run()
    assert not app.exception
    assert "a folder that exists" in said(app)


def test_in_korean_methods_settings_and_mistakes_are_in_korean(open_page):
    app = open_page("launch")
    app.session_state["lang"] = "ko"  # as app.py does, in every run
    app = app.run()
    offered = [label for pills in app.pills if pills.key.endswith("to launch") for label in pills.options]
    assert sorted(offered) == sorted(korean(method_name, name) for name in METHODS)
    assert korean(PRESETS["demo"].summary) in [caption.value for caption in app.caption]
    settings = [
        setting for name in default_methods() for setting in METHODS[name].settings if setting.only_with is None
    ]
    shown = {(box.label, box.help) for box in app.selectbox}
    assert {(korean(setting.label), korean(setting.help)) for setting in settings} <= shown
    app.session_state["lang"] = "ko"
    app = app.pills(key="methods to launch").set_value([]).run()
    assert said(app) == "방법: 선택한 것이 없습니다. 하나 이상 고르세요."


def test_a_home_that_cannot_be_written_is_a_sentence(open_page, home, monkeypatch):
    app = open_page("launch")
    home.checkpoints.rmdir()
    home.checkpoints.write_text("")
    app = click(app, "Launch 10 runs")
    assert "cannot be written" in said(app)


def test_choices_survive_a_wrong_folder_and_a_switch_to_another_page(open_page, submitted, tmp_path):
    app = open_page("launch")
    app.pills(key="methods to launch").set_value(["lottery_ticket"])
    app.text_input(key="sparsities").set_value("0.85")
    app.text_input(key="seeds").set_value("7")
    app.number_input(key="width demo resnet18").set_value(12)
    app = app.run()
    app = app.selectbox(key="lottery_ticket rewind_epoch recommended").set_value(2).run()
    app = app.selectbox(key="data").set_value("folder:").run()
    app = app.text_input(key="folder").set_value("/does/not/exist").run()
    assert "a folder that exists" in said(app)
    for split in ("train", "test"):
        (tmp_path / "pictures" / split).mkdir(parents=True)
    app = app.text_input(key="folder").set_value(str(tmp_path / "pictures")).run()
    app = app.switch_page("pages/runs.py").run()
    app = app.switch_page("pages/launch.py").run()
    click(app, "Launch 2 runs")
    dense, pruned = submitted
    assert dense.recipe.data == f"folder:{tmp_path / 'pictures'}"
    assert (pruned.sparsity, pruned.seed, pruned.recipe.width) == (0.85, 7, 12)
    assert dict(pruned.settings)["rewind_epoch"] == 2


def test_the_data_follow_the_preset_until_others_are_chosen(open_page):
    def data(app):
        return app.selectbox(key="data")

    def choose_preset(app, name):
        (group,) = (group for group in app.segmented_control if group.key == "preset")
        return group.set_value(name).run()

    app = open_page("launch")
    assert data(app).value == "synthetic"
    app = choose_preset(app, "quick")
    assert data(app).value == "cifar10"
    app = data(app).set_value("folder:").run()
    app = app.text_input(key="folder").set_value("/some/where").run()
    app = choose_preset(app, "demo")
    assert data(app).value == "folder:"
    assert app.text_input(key="folder").value == "/some/where"
    app = choose_preset(data(app).set_value("cifar10").run(), "standard")
    assert data(app).value == "cifar10"


def test_a_click_counts_when_the_number_of_runs_changes_before_it_arrives(open_page, submitted, home):
    app = open_page("launch")
    write_result(home, RunSpec(RECIPE, "dense", 42))
    click(app, "Launch 10 runs")
    assert len(submitted) == 9


def test_a_submission_that_fails_leaves_the_runs_queued_and_says_so(open_page, home, monkeypatch):
    def fail(self, folders):
        raise InputError("No scheduler answers.")

    monkeypatch.setattr(Queue, "_dispatch", fail)
    app = click(open_page("launch"), "Launch 10 runs")
    assert "No scheduler answers." in said(app)
    assert "The runs stay queued" in said(app)
    assert "runs" in [link.proto.page for link in app.get("page_link")]
    assert {folder.state() for folder in home.runs()} == {State.QUEUED}
    (button,) = (button for button in app.run().button if button.key == "launch")
    assert button.label == "Everything is under way"
    assert button.disabled


def test_nothing_is_said_to_be_queued_where_nothing_could_be_written(open_page, home):
    app = open_page("launch")
    home.checkpoints.rmdir()
    home.checkpoints.write_text("")
    assert "stay queued" not in said(click(app, "Launch 10 runs"))


def test_what_is_chosen_is_in_the_address_and_a_link_chooses_it(open_page, submitted):
    app = open_page("launch")
    app.pills(key="methods to launch").set_value(["magnitude"])
    app.text_input(key="sparsities").set_value("0.85")
    app = app.text_input(key="seeds").set_value("7, 8").run()
    app = app.number_input(key="epochs demo").set_value(6).run()
    app = app.selectbox(key="magnitude allocation recommended").set_value("erk").run()
    query = dict(app.query_params)
    assert query["sparsities"] == "0.85"
    other = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in query.items():
        other.query_params[name] = value
    other = other.switch_page("pages/launch.py").run()
    assert not other.exception
    assert said(other) == said(app)
    click(other, "Launch 4 runs")
    assert {spec.recipe.train.epochs for spec in submitted} == {6}
    assert {dict(spec.settings)["allocation"] for spec in submitted if not spec.is_dense} == {"erk"}


@pytest.mark.parametrize("method", ["magnitude", "random"])
def test_the_link_at_a_place_that_was_not_measured_launches_just_that(open_page, submitted, home, tmp_path, method):
    for split in ("train", "test"):
        (tmp_path / "pictures" / split).mkdir(parents=True)
    data = f"folder:{tmp_path / 'pictures'}"
    new = {"nesterov": True, "label_smoothing": 0.1, "cutout": 8, "budget": "compute", "decay": "linear", "warmup": 2}
    new |= (
        {"lr": 0.2, "finetune_lr": 0.05, "finetune_decay": "triangular", "precision": "bf16"}
        if method == "random"
        else {}
    )
    recipe = build_recipe("quick", data=data, width=12, epochs=7, finetune_epochs=5, batch_size=32, **new)
    settings = (("schedule", "iterative"), ("rounds", 5)) if method == "magnitude" else ()
    measured = [RunSpec(recipe, method, seed, 0.9, settings) for seed in (7, 8)]
    for spec in measured:
        write_result(home, spec.dense)
        write_result(home, spec)
    app = open_page("launch")  # where something else was chosen before
    app.pills(key="methods to launch").set_value(["structured"])
    app.number_input(key="epochs demo").set_value(6)
    app = app.run().segmented_control(key="preset").set_value("quick").run()
    app = app.number_input(key="width quick resnet18").set_value(20).run()
    app = app.selectbox(key="structured criterion recommended").set_value("l2").run().switch_page("pages/runs.py").run()
    query = launch_query(study_frame(Results(home).frame(), recipe.key), measured[0].variant, 0.5)
    for name, value in query.items():
        app.query_params[name] = to_texts(value)
    app = app.switch_page("pages/launch.py").run()
    click(app, "Launch 2 runs")
    assert set(submitted) == {RunSpec(recipe, method, seed, 0.5, settings) for seed in (7, 8)}


def test_a_launch_notes_what_was_estimated(open_page, submitted, home):
    click(open_page("launch"), "Launch 10 runs")
    (note,) = read_lines(home.cache / "forecasts.jsonl")
    assert note["seconds"] > 0
    assert set(note["runs"]) == {spec.run_id for spec in submitted}
