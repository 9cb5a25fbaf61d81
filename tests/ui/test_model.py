"""The Model page, run from app.py against made-up runs and their examinations."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import command
from core.runs.folder import Home
from core.spec.errors import InputError
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.diagnostics import keep_examination
from tests.records import write_result

REPOSITORY = Path(__file__).parents[2]
RECIPE = build_recipe("demo")
DENSE = RunSpec(RECIPE, "dense", 1)
PRUNED = RunSpec(RECIPE, "structured", 1, 0.9)
SECTIONS = ("layers", "filters", "weights", "classes", "mistakes", "size", "download")


@pytest.fixture
def sample(home, tmp_path, monkeypatch):
    """Where the sample study would be; nothing is there yet."""
    found = Home(tmp_path / "sample").prepare()
    for module in ("core.results.sample", "ui.model.page"):
        monkeypatch.setattr(f"{module}.SAMPLE", found)
    return found


@pytest.fixture
def folders(home):
    """A dense run and one pruned from it, both done; the pruned one is examined."""
    found = [write_result(home, spec) for spec in (DENSE, PRUNED)]
    keep_examination(found[1])
    for folder in found:
        folder.model_path.write_bytes(b"weights")
    return found


def open_page(**query):
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return run(app.switch_page("pages/model.py"))


def run(target):
    app = target.run()
    assert not app.exception
    return app


def text(app):
    kinds = (app.title, app.markdown, app.caption, app.info, app.warning, app.error, app.success, app.subheader)
    return "\n".join(element.value for kind in kinds for element in kind)


def section(app, name):
    return run(app.segmented_control(key="section").set_value(name))


def links(app):
    return [link.proto.page for link in app.get("page_link")]


def test_an_empty_home_says_what_to_do(home):
    app = open_page()
    assert "No network yet" in text(app)
    assert links(app) == ["launch"]
    assert not app.selectbox


def test_the_newest_pruned_run_is_shown_first_with_its_cards(folders):
    app = open_page()
    result, dense = folders[1].result(), folders[0].result()
    assert app.selectbox(key="run").value == PRUNED.run_id
    values = {metric.label: metric for metric in app.metric}
    assert values["Accuracy"].value == f"{result.test_accuracy:.2f} %"
    assert values["Accuracy"].delta == f"{result.test_accuracy - dense.test_accuracy:+.2f} points"
    assert values["Size"].delta.endswith("× smaller")
    assert values["Speed-up, batch"].value == f"{result.batch_speedup:.2f}×"
    assert "drawn pictures, not photographs" in text(app)


def test_every_section_of_an_examined_run_shows_something(folders):
    app = open_page(run=PRUNED.run_id)
    charts = {"layers": 1, "filters": 2, "weights": 1, "classes": 2, "mistakes": 0, "size": 1, "download": 0}
    for name in SECTIONS:
        app = section(app, name)
        assert app.query_params.get("section", "layers") == name  # the first one goes without saying
        assert len(app.get("vega_lite_chart")) == charts[name], name
        assert not app.error, name
        if name == "mistakes":
            assert len(app.image) == 2
            assert "**6** right that are wrong now, and **1** wrong" in text(app)
            assert "→ **dog** 92 %" in text(app)
        if name == "layers":
            assert len(app.dataframe[0].value) == 3


def test_a_visit_that_chooses_no_section_says_none(folders):
    app = open_page(run=PRUNED.run_id)
    assert "section" not in app.query_params  # it would be one step more on the browser's way back
    app = section(app, "weights")
    assert app.query_params["section"] == "weights"
    assert section(app, "layers").query_params["section"] == "layers"


def test_a_link_names_run_section_and_layer(folders):
    app = open_page(run=PRUNED.run_id, section="weights", layer="fc")
    assert app.selectbox(key="layer").value == "fc"
    assert "of 3×4 that are not zero" in text(app)
    run(app.selectbox(key="layer").set_value("conv1"))
    assert app.query_params["layer"] == "conv1"
    run(app.selectbox(key="run").set_value(DENSE.run_id))
    assert app.query_params["run"] == DENSE.run_id


@pytest.mark.parametrize("unknown", ["no-such-run", "../../etc", "A" * 5000, "<b>x</b>"])
def test_an_unknown_run_in_the_link_is_passed_over_in_a_line(folders, unknown):
    app = open_page(run=unknown)
    assert "which there is not here" in app.info[0].value
    assert app.selectbox(key="run").value == PRUNED.run_id


def test_an_unknown_section_in_the_link_is_passed_over_in_a_line(folders):
    app = open_page(run=PRUNED.run_id, section="secrets")
    assert "which there is not here" in app.info[0].value
    assert app.segmented_control(key="section").value == "layers"


def test_a_dense_run_is_compared_with_nothing(folders):
    keep_examination(folders[0])
    app = open_page(run=DENSE.run_id)
    assert not any(metric.delta for metric in app.metric)
    assert "What this network gets wrong" in text(section(app, "mistakes"))


def test_without_the_dense_run_the_examination_still_knows_its_accuracy(folders):
    folders[0].result_path.unlink()
    accuracy = next(metric for metric in open_page(run=PRUNED.run_id).metric if metric.label == "Accuracy")
    assert accuracy.delta == f"{folders[1].result().test_accuracy - 90:+.2f} points"


@pytest.mark.parametrize("content", [b"", b"{", b'{"run_id": 1}', b"\xff" * 100])
def test_a_damaged_examination_is_a_sentence_and_the_rest_goes_on(folders, content):
    folders[1].diagnostics_path.write_bytes(content)
    app = open_page(run=PRUNED.run_id)
    assert "examination.json is damaged" in app.error[0].value.replace("\\", "")
    assert len(app.metric) == 6
    assert app.button(key="examine")
    assert section(app, "download").get("download_button")


def test_an_examination_of_an_earlier_network_is_not_shown(folders):
    folders[1].commit(folders[1].result().model_copy(update={"model_sha256": "f" * 64}))
    app = open_page(run=PRUNED.run_id)
    assert "out of date" in app.info[0].value
    assert not app.get("vega_lite_chart")


def test_a_run_that_was_never_examined_is_examined_on_request(folders, monkeypatch):
    folders[1].diagnostics_path.unlink()
    app = open_page(run=PRUNED.run_id)
    assert "was not examined yet" in text(app)
    monkeypatch.setattr(command, "_run", lambda name, folder, *options: keep_examination(folder))
    run(app.button(key="examine").click())
    assert len(app.get("vega_lite_chart")) == 1


def test_why_it_cannot_be_examined_is_a_sentence(folders, monkeypatch):
    def fail(*arguments):
        raise InputError("The pictures have changed: put them back.")

    folders[1].diagnostics_path.unlink()
    app = open_page(run=PRUNED.run_id)
    monkeypatch.setattr(command, "_run", fail)
    run(app.button(key="examine").click())
    assert "The pictures have changed" in app.error[0].value


def test_other_forms_are_made_on_request_and_then_offered(folders, monkeypatch):
    made = []

    def make(name, folder, *options):
        made.append(options)
        Path(options[options.index("--output") + 1]).write_bytes(b"file")

    monkeypatch.setattr(command, "_run", make)
    app = open_page(run=PRUNED.run_id, section="download")
    assert len(app.get("download_button")) == 1
    for form in ("half", "plain", "onnx", "onnx-int8"):
        run(app.button(key=f"make {form}").click())
    assert len(app.get("download_button")) == 5
    assert len(made) == 4
    assert not any(button.key and button.key.startswith("make") for button in app.button)
    for code, ending in zip(app.code, ("safetensors", "plain.safetensors", "onnx"), strict=True):
        assert f'"{PRUNED.run_id}.{ending}"' in code.value


def test_why_a_file_cannot_be_made_is_a_sentence(folders, monkeypatch):
    def fail(*arguments):
        raise InputError("model.safetensors was altered.")

    monkeypatch.setattr(command, "_run", fail)
    app = open_page(run=PRUNED.run_id, section="download")
    run(app.button(key="make onnx").click())
    assert "was altered" in app.error[0].value
    assert len(app.get("download_button")) == 1


def test_an_altered_network_is_not_handed_out(folders):
    folders[1].commit(folders[1].result().model_copy(update={"model_sha256": "f" * 64}))
    app = open_page(run=PRUNED.run_id, section="download")
    assert "was altered or is that of another run" in app.error[0].value
    assert not app.get("download_button")


def test_without_the_network_file_all_is_shown_but_no_download(folders):
    folders[1].model_path.unlink()
    app = open_page(run=PRUNED.run_id)
    assert len(app.get("vega_lite_chart")) == 1
    app = section(app, "download")
    assert "model.safetensors, is not in its run's folder any more" in text(app)
    assert not app.get("download_button")


def test_the_sample_study_is_shown_and_says_that_its_files_are_not_shipped(home, sample):
    folder = write_result(sample, PRUNED)
    keep_examination(folder)
    app = open_page()
    assert app.selectbox(key="run").value == PRUNED.run_id
    assert "sample study" in text(app)
    assert len(app.get("vega_lite_chart")) == 1
    app = section(app, "download")
    assert "comes without its network files" in text(app)
    assert links(app) == ["launch"]


def test_an_own_run_goes_before_the_same_run_of_the_sample_study(folders, sample):
    write_result(sample, PRUNED)
    app = open_page(run=PRUNED.run_id)
    assert "sample study" not in text(app)
    assert len(app.selectbox(key="run").options) == 2


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        (["queued"], "This run is queued"),
        (["queued", "started"], "This run is interrupted"),
        (["queued", "cancelled"], "was cancelled"),
        (["queued", "failed"], "no reason was recorded"),
    ],
)
def test_a_run_that_is_not_done_says_how_it_stands_and_where_to_go(home, events, sentence):
    folder = home.create(PRUNED)
    for kind in events:
        folder.append(kind)
    app = open_page(run=PRUNED.run_id)
    assert sentence in text(app)
    assert links(app) == ["runs"]
    assert not app.metric


def test_a_damaged_result_says_so(folders):
    folders[1].result_path.write_text("{")
    app = open_page(run=PRUNED.run_id)
    assert "result.json is damaged" in app.error[0].value.replace("\\", "")
    assert not app.metric


def test_a_damaged_spec_says_so(folders):
    folders[1].spec_path.write_text("{")
    app = open_page(run=PRUNED.run_id)
    assert "spec.json is damaged" in app.error[0].value.replace("\\", "")


def test_the_error_of_a_command_is_shown_in_the_language_of_the_page(folders):
    """The command runs in another process, which knows no language; the network's file is damaged."""
    folders[1].diagnostics_path.unlink()
    app = open_page(run=PRUNED.run_id, lang="ko")
    app = run(app.button(key="examine").click())
    assert "model.safetensors" in text(app)
    (error,) = app.error
    assert "model.safetensors" in error.value
    assert "잘렸거나" in error.value
