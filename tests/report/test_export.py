"""The files about a study: whole or not at all, equal to the records, and valid by the schema in the repository."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import jsonschema
import pytest
from PIL import Image

from core.cli.main import main
from core.i18n import LANGUAGES
from core.report import all_results, export, rasterize
from core.report import study as study_data
from core.results.frame import Results, study_frame
from core.results.metrics import METRICS, derived_metrics
from core.results.sample import SAMPLE
from core.results.statistics import summarise
from core.runs.folder import Home, State
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from tests.latex import latex_page
from tests.records import write_result

ROOT = Path(__file__).resolve().parents[2]
REQUIRED_KEYS = (
    *("method", "sparsity", "seed", "test_accuracy", "params_millions", "model_size_mb", "inference_latency_ms"),
    *("run_id", "variant", "recipe"),
)
SCHEMA = json.loads((ROOT / "docs" / "results.schema.json").read_text())
DEMO, OTHER = build_recipe("demo"), build_recipe("demo", epochs=5)
LAYERS = [{"name": "conv1", "density": 0.5}, {"name": "fc", "density": 0.25}]


def write_study(home, recipe=DEMO, seeds=(1, 2), **overrides):
    for spec in study_runs(recipe, ["magnitude", "structured"], [0.5, 0.9], seeds):
        write_result(home, spec, layers=LAYERS, **overrides)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home").prepare()
    write_study(home)
    return home


def valid(data):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(data, SCHEMA, cls=jsonschema.Draft202012Validator)
    return True


def test_the_schema_in_the_repository_follows_from_the_models():
    assert all_results.json_schema() == SCHEMA


def test_the_sample_study_is_valid():
    assert valid(json.loads((SAMPLE.path / "outputs" / "all_results.json").read_text()))


def test_evaluate_writes_every_record_and_every_mean(home, tmp_path, capsys):
    assert main(["evaluate", "--home", str(home.path), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert [Path(line).name for line in said.out.splitlines()] == [
        "all_results.json",
        "efficiency_table.csv",
        "efficiency_table.md",
        "efficiency_table.tex",
    ]
    assert said.err == ""
    data = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert valid(data)
    study = study_frame(Results(home).frame(), DEMO.key)
    assert {run["run_id"] for run in data["runs"]} == set(study["run_id"])
    for run in data["runs"]:
        assert {*REQUIRED_KEYS, *derived_metrics()} <= run.keys()
        assert run.items() >= home.run(run["run_id"]).result().to_json().items()
    summary = summarise(study)
    for row, configuration in zip(summary.to_dict("records"), data["configurations"], strict=True):
        assert configuration["seeds"] == [1, 2]
        assert configuration["metrics"]["test_accuracy"]["mean"] == row["test_accuracy"]
        assert configuration["metrics"]["test_accuracy"]["ci95"] == row["test_accuracy_ci"]
        assert set(configuration["metrics"]) == set(METRICS)
    assert [(c["sparsity"], c["first"], c["second"], c["seeds"]) for c in data["comparisons"]] == [
        (sparsity, first, second, 2)
        for sparsity in (0.5, 0.9)
        for first, second in combinations(("Dense", "Magnitude", "Structured"), 2)
    ]


def test_evaluate_prints_chosen_columns_and_refuses_others(home, tmp_path, capsys):
    command = ["evaluate", "--home", str(home.path), "--out", str(tmp_path / "out"), "--columns"]
    assert main([*command, "accuracy_percent", "nothing"]) == 2
    assert "accuracy_percent, " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*command, "mac_ratio", "accuracy_percent"]) == 0
    assert "Method & Sparsity & MAC ratio & Accuracy (\\%)" in (tmp_path / "out" / "efficiency_table.tex").read_text()
    assert "seeds" in (tmp_path / "out" / "efficiency_table.csv").read_text().splitlines()[0]


def test_what_a_run_is_follows_from_its_spec_whatever_its_record_says(tmp_path):
    home = Home(tmp_path).prepare()
    spec = study_runs(DEMO, ("magnitude",), (0.5,), (1,))[-1]
    write_result(home, spec, sparsity=0.123, method="structured", variant="another", accuracy_change=99.0)
    (run,) = all_results.all_results(study_data.find_study(home))["runs"]
    assert (run["method"], run["sparsity"], run["variant"]) == ("magnitude", 0.5, "Magnitude")
    assert run["accuracy_change"] is None  # without a dense run


def test_a_single_seed_has_no_interval_and_is_valid(tmp_path):
    home = Home(tmp_path).prepare()
    write_study(home, seeds=(1,), filter_ratio=None)
    data = all_results.all_results(study_data.find_study(home))
    assert valid(data)
    metrics = [configuration["metrics"] for configuration in data["configurations"]]
    assert {m["test_accuracy"]["ci95"] for m in metrics} == {None}
    assert {m["filter_ratio"]["mean"] for m in metrics} == {None}
    assert {comparison["p_holm"] for comparison in data["comparisons"]} == {None}


def test_the_schema_refuses_what_is_no_result(home):
    data = all_results.all_results(study_data.find_study(home))
    for broken in (
        {**data, "format": "other"},
        {**data, "runs": []},
        {**data, "runs": [{**data["runs"][0], "test_accuracy": 101}]},
        {**data, "study": {**data["study"], "synthetic": "yes"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            valid(broken)


def test_the_table_is_that_of_the_records(home, tmp_path):
    export.write_results(study_data.find_study(home), tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "efficiency_table.csv").read_text())))
    summary = summarise(study_frame(Results(home).frame(), DEMO.key))
    for row, expected in zip(rows, summary.to_dict("records"), strict=True):
        assert float(row["accuracy_percent"]) == pytest.approx(expected["test_accuracy"], abs=1e-8)
        assert float(row["accuracy_change_ci95"]) == pytest.approx(expected["accuracy_change_ci"], abs=1e-8)


@pytest.mark.parametrize("command", ["evaluate", "plot", "report"])
def test_without_results_it_is_one_line_and_status_2(tmp_path, capsys, command):
    assert main([command, "--home", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "no results" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_of_several_studies_the_newest_is_taken_and_the_others_are_named(home, capsys):
    for folder in home.runs():
        (folder.path / "result.json").touch()
    write_study(home, OTHER)
    studies = {recipe: study_data.find_study(home, recipe.key) for recipe in (DEMO, OTHER)}
    assert {study.source.recipe for study in studies.values()} == {DEMO, OTHER}
    assert study_data.find_study(home, OTHER.label).key == OTHER.key
    assert main(["evaluate", "--home", str(home.path), "--recipe", DEMO.key]) == 0
    out, err = capsys.readouterr()
    assert all(f"outputs/demo-{DEMO.key}/" in line for line in out.splitlines())
    assert err == ""
    newest = study_data.find_study(home)
    assert main(["evaluate", "--home", str(home.path)]) == 0
    out, err = capsys.readouterr()
    assert all(f"outputs/demo-{newest.key}/" in line for line in out.splitlines())
    assert newest.label in err
    assert err.count("\n") == 1
    assert main(["evaluate", "--home", str(home.path), "--recipe", "nothing"]) == 2
    assert DEMO.key in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_line_and_status_2(home, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["evaluate", "--home", str(home.path), "--out", str(tmp_path / "file")]) == 2
    assert "--out" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == ""


def test_a_file_that_cannot_be_finished_leaves_the_old_one(home, tmp_path, monkeypatch):
    study = study_data.find_study(home)
    export.write_results(study, tmp_path)
    before = (tmp_path / "all_results.json").read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        export.write_results(study, tmp_path)
    assert (tmp_path / "all_results.json").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("hangul", [True, False])
def test_report_writes_all_that_it_shows_and_links_to(home, tmp_path, capsys, monkeypatch, hangul):
    monkeypatch.setattr("core.report.export.has_korean_font", lambda: hangul)
    assert main(["report", "--language", "ko", "--home", str(home.path), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "report.ko.md").read_text()
    targets = [part.split(")")[0] for part in text.split("](")[1:]]
    end = ".ko.png" if hangul else ".png"  # without a font with Korean letters the figures stay English
    assert {path.name for path in tmp_path.glob("*.png")} == {target for target in targets if target.endswith(".png")}
    assert {f"tradeoff_curve{end}", f"layer_density{end}", "all_results.json", "efficiency_table.tex"} <= set(targets)
    for target in targets:
        assert (tmp_path / target).stat().st_size > 100, target
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert path.with_suffix(".svg").read_text().startswith("<svg")
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].endswith("report.ko.md")
    assert ("no font on this computer has Korean letters" in said.err) != hangul


def test_plot_without_titles_draws_what_a_paper_needs(home, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("core.report.export.rasterize", lambda spec, kind: drawn.append(spec) or b"")
    for option in ([], ["--no-titles"]):
        assert main(["plot", "--home", str(home.path), "--out", str(tmp_path / "out"), *option]) == 0
    with_titles, without = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
    assert all("title" in spec for spec in with_titles)
    assert [{**spec, "title": None} for spec in with_titles] == [{**spec, "title": None} for spec in without]
    assert not any("title" in spec for spec in without)


def test_a_font_with_korean_letters_is_one_that_draws_two_of_them_differently(monkeypatch):
    def has_korean_font(draw):
        monkeypatch.setattr("vl_convert.svg_to_png", draw)
        rasterize.has_korean_font.cache_clear()
        return rasterize.has_korean_font()

    assert has_korean_font(str.encode)
    assert not has_korean_font(lambda svg: b"the same box")
    rasterize.has_korean_font.cache_clear()


def test_a_language_that_there_is_not_is_refused_and_every_other_is_offered(home, capsys):
    assert main(["report", "--language", "xx", "--home", str(home.path)]) == 2
    assert all(f"'{language}'" in capsys.readouterr().err for language in list(LANGUAGES)[:1])
    assert not (home.path / "outputs").exists()


@pytest.mark.parametrize(
    "garbage", [{"environment": ["x"]}, {"latency": 3}, {"dead_layers": "all"}, {"train_pictures": "many"}]
)
def test_a_record_with_garbled_notes_is_damaged_and_the_study_is_the_others(home, garbage):
    write_study(home, seeds=(3,), **garbage)
    damaged = [folder for folder in home.runs() if folder.state() == State.FAILED]
    assert len(damaged) == 5
    assert all(next(iter(garbage)) in str(folder.describe()[1].message) for folder in damaged)
    assert study_data.find_study(home).source.seeds == (1, 2)


def test_what_early_records_did_not_note_is_left_out(home):
    study = study_data.find_study(home)
    assert study.source.wall_minutes is None
    assert study.source.commits == study.source.latency == ()
    assert math.isfinite(study.source.train_minutes)


@pytest.mark.skipif(not (shutil.which("pdflatex") or shutil.which("tectonic")), reason="needs LaTeX")
def test_the_latex_table_compiles(home, tmp_path):
    export.write_results(study_data.find_study(home), tmp_path)
    (tmp_path / "page.tex").write_text(latex_page("\\small\\input{efficiency_table}"))
    command = ["pdflatex", "-interaction=nonstopmode"] if shutil.which("pdflatex") else ["tectonic"]
    done = subprocess.run([*command, "page.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
