"""The Report page, run from app.py against a home with made-up results, and the files that it offers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile

import pandas as pd
import pytest

from core.report.export import output_folder, report_name, write_everything
from core.report.rasterize import rasterize_in_subprocess
from core.report.study import find_study
from core.results.sample import SAMPLE
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.records import write_result
from ui.report import files
from ui.report.files import study_files

FILES = {
    "all_results.json",
    "all_runs.csv",
    "efficiency_table.csv",
    "efficiency_table.md",
    "efficiency_table.tex",
    "report.ko.md",
    "report.md",
}


def write_study(home, **recipe):
    for spec in study_runs(build_recipe("demo", **recipe), ["magnitude", "structured"], [0.0, 0.5, 0.9], (1, 2)):
        write_result(home, spec)


@pytest.fixture
def drawn(monkeypatch):
    """Figures come without a drawing engine; the names of those that were asked for."""
    asked = []

    def draw(wanted):
        asked.extend((json.loads(spec).get("title", {}).get("text"), kind) for spec, kind in wanted)
        return [b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"] * len(wanted)

    files._rasterized.cache_clear()
    monkeypatch.setattr("ui.report.files.rasterize_in_subprocess", draw)
    yield asked
    files._rasterized.cache_clear()


@pytest.fixture
def no_sample(monkeypatch, tmp_path):
    monkeypatch.setattr("ui.shared.study_picker.SAMPLE", type(SAMPLE)(tmp_path / "no sample"))


@pytest.fixture
def buttons(monkeypatch):
    """What each download button offers, by the name of the file."""
    found = {}
    monkeypatch.setattr(
        "streamlit.download_button", lambda label, **options: found.update({options["file_name"]: options})
    )
    return found


def text(app):
    return "\n".join(element.value for kind in (app.title, app.markdown, app.caption, app.error) for element in kind)


def open_report(open_page, **query):
    app = open_page("report", **query)
    assert not app.exception
    return app


def test_without_results_it_says_what_to_do(home, open_page, no_sample):
    app = open_report(open_page)
    assert "There is nothing to report yet" in text(app)
    assert [link.proto.page for link in app.get("page_link")] == ["launch"]


def test_the_report_is_shown_with_its_tables_and_figures(home, open_page, drawn):
    write_study(home)
    app = open_report(open_page)
    assert "Pruning report" in text(app)
    assert "drawn pictures, not photographs" in text(app)
    assert "](" not in text(app).replace("](http", "")  # no link to a file that only lies beside the report on a disk
    assert len(app.table) == 3
    assert ("Accuracy against sparsity", "svg") in drawn
    assert "png" not in {kind for _, kind in drawn}  # that is only drawn for a download
    assert "part" not in app.query_params  # it is the usual one


def test_it_is_korean_when_the_app_is(home, open_page, drawn):
    write_study(home)
    app = open_page("report")
    app.session_state["lang"] = "ko"  # as app.py does
    app = app.run()
    assert "가지치기 보고서" in text(app)
    assert "Pruning report" not in text(app)


def test_the_files_are_those_that_the_command_line_writes(home, tmp_path, open_page, buttons, drawn):
    write_study(home)
    open_report(open_page, part="tables")
    study = find_study(home)
    written = {path.name: path for path in write_everything(study, output_folder(tmp_path / "out"))}
    assert set(buttons) > FILES
    for name in FILES & set(written):
        assert buttons[name]["data"]() == written[name].read_bytes(), name
    assert {options["on_click"] for options in buttons.values()} == {"ignore"}
    assert len(pd.read_csv(io.BytesIO(buttons["all_runs.csv"]["data"]()))) == 10
    with zipfile.ZipFile(io.BytesIO(buttons[f"{study.name}.zip"]["data"]())) as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}
        assert all(name.startswith(f"{study.name}/") for name in archive.namelist())
    assert names == set(written) | FILES


def test_the_files_follow_a_run_that_comes_anew_within_the_second(home, open_page, buttons, drawn):
    write_study(home)
    spec = RunSpec(build_recipe("demo"), "dense", 1)
    for moment, accuracy in enumerate((61.25, 62.5)):
        path = write_result(home, spec, test_accuracy=accuracy).result_path
        os.utime(path, ns=(10**18 + moment, 10**18 + moment))
        open_report(open_page, part="tables")
        assert accuracy in set(pd.read_csv(io.BytesIO(buttons["all_runs.csv"]["data"]()))["test_accuracy"])


def test_each_figure_can_be_taken_along_in_every_format_with_and_without_title(home, open_page, buttons, drawn):
    write_study(home)
    app = open_report(open_page, part="figures")
    pictures = [name for name in buttons if name.endswith((".png", ".svg", ".pdf"))]
    assert len(pictures) >= 6
    assert buttons["pareto.png"]["mime"] == "image/png"
    buttons["pareto.png"]["data"]()
    assert drawn[-1] == ("Accuracy against size", "png")
    assert buttons["pareto.pdf"]["mime"] == "application/pdf"
    app.toggle(key="titles").set_value(False).run()
    buttons["pareto.pdf"]["data"]()
    assert drawn[-1] == (None, "pdf")


def test_a_figure_that_cannot_be_drawn_is_a_sentence(home, open_page, monkeypatch):
    def fail(wanted):
        raise OSError(None, "the figure could not be drawn")

    monkeypatch.setattr("ui.report.files.rasterize_in_subprocess", fail)
    files._rasterized.cache_clear()
    write_study(home)
    app = open_report(open_page)
    assert "the figure could not be drawn" in text(app)
    assert "Pruning report" in text(app)


@pytest.mark.parametrize("odd", [{"speedup": 0.0}, {"test_accuracy": 1e308}, {"model_size_mb": 0}])
def test_impossible_numbers_of_a_record_are_no_end_of_the_page(home, open_page, drawn, odd):
    """In a record without a seal, as all of these tests have."""
    write_study(home)
    write_result(home, RunSpec(build_recipe("demo"), "magnitude", 3, 0.9), **odd)
    app = open_report(open_page)
    assert not app.exception
    assert "Pruning report" in text(app)


def test_the_study_is_that_of_the_address_and_is_kept(home, open_page, drawn):
    write_study(home)
    write_study(home, width=12)
    app = open_report(open_page, part="tables")
    (study,) = (box for box in app.selectbox if box.key == "study")
    other = next(label for label in study.options if label != study.value and "width" in label)
    app = study.set_value(other).run() if other in study.options else app
    assert not app.exception
    chosen = app.query_params["study"]
    app = app.switch_page("pages/compare.py").run()
    assert not app.exception
    assert app.query_params["study"] == chosen


def test_rasterizing_in_a_subprocess_gives_the_figure_and_says_when_it_fails():
    spec = {"data": {"values": [{"x": 1}]}, "mark": "point", "encoding": {"x": {"field": "x", "type": "quantitative"}}}
    figure = json.dumps(spec)
    png, svg = rasterize_in_subprocess([(figure, "png"), (figure, "svg")])
    assert png.startswith(b"\x89PNG")
    assert svg.startswith(b"<svg")
    with pytest.raises(OSError, match="could not be drawn"):
        rasterize_in_subprocess([(figure, "png"), ("not a figure", "svg")])


@pytest.fixture(params=[True, False])
def hangul(request, monkeypatch):
    """Whether this computer seems to have a font with Korean letters."""
    monkeypatch.setattr("core.report.export.has_korean_font", lambda: request.param)
    files._study_files.clear()
    yield request.param
    files._study_files.clear()


def test_figures_are_korean_where_a_font_is_and_else_english_with_a_reason(
    open_page, go_back, drawn, buttons, hangul, *, home
):
    write_study(home)
    app = open_page("report")
    app.session_state["lang"] = "ko"
    app = go_back(app, part="figures")
    assert ("fonts-nanum" in text(app)) != hangul
    assert (("희소도에 따른 정확도", "svg") in drawn) == hangul
    assert ("tradeoff_curve.ko.png" in buttons) == hangul
    assert ("tradeoff_curve.png" in buttons) != hangul


def test_on_a_dark_page_a_figure_is_drawn_for_it_and_its_files_are_white(home, drawn, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "ui.report.files.rasterize_in_subprocess",
        lambda wanted: [seen.append(json.loads(spec)) or b"" for spec, _ in wanted],
    )
    write_study(home)
    study = find_study(home)
    made = study_files(home, study.key, study.frame)
    made.figure_on_page("pareto", dark=True)
    made.figure("pareto", "svg")
    assert [spec["config"]["background"] for spec in seen] == ["transparent", "white"]
    assert seen[0]["config"]["axis"]["labelColor"] != seen[1]["config"]["axis"].get("labelColor")
    assert seen[0]["config"]["axis"]["labelFontSize"] == seen[1]["config"]["axis"]["labelFontSize"]


def test_each_report_shows_every_figure_once_in_its_language(home, hangul):
    write_study(home)
    study = find_study(home)
    made = study_files(home, study.key, study.frame)
    for language in ("en", "ko"):
        figures = made.figures(language)
        assert [figure.name for figure in figures] == [
            name for name in made.specs if name.endswith(".ko") == (hangul and language == "ko")
        ]
        assert all(figure.caption for figure in figures)
        for figure in figures:
            assert made.texts[report_name(language)].count(f"]({figure.name}.png)") == 1


def test_the_page_loads_no_torch():
    code = "import logging; logging.disable(); import ui.report.page, sys; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
