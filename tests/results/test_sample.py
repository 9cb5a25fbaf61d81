"""The study that comes with PruneScope: complete, untouched, and what its tables and the README say of it."""

import json
import re
import shutil
from pathlib import Path

import pytest

from core.report.export import write_everything
from core.report.study import find_study
from core.results.sample import SAMPLE
from core.runs.folder import Home, State
from core.runs.sensitivity import read_sensitivity
from core.spec.methods import DENSE, default_methods
from core.spec.presets import SEEDS, SPARSITIES
from core.spec.spec import RunSpec
from samples import pack
from samples.readme_table import HEADS, readme_table
from tests.records import write_result

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 5_000_000  # bytes, all together
TABLES = ("efficiency_table.csv", "efficiency_table.md", "efficiency_table.tex", "all_results.json")


@pytest.fixture(scope="module")
def study():
    return find_study(SAMPLE)


def test_every_method_sparsity_and_seed_is_there(study):
    found = sorted((run.spec.method, run.spec.sparsity, run.spec.seed) for run in study.runs)
    dense = [(DENSE, 0.0, seed) for seed in SEEDS]
    pruned = [(method, s, seed) for method in default_methods() for s in SPARSITIES if s for seed in SEEDS]
    assert found == sorted([*dense, *pruned])
    assert len(SAMPLE.runs()) == len(found)
    assert pack.gaps(study.folders) == []


def test_every_record_still_has_the_seal_that_it_was_written_with(study):
    for folder in study.folders:
        assert folder.state() == State.DONE  # a changed digit would make it damaged
        assert "record_sha256" in json.loads(folder.result_path.read_text())
        assert folder.result().train_pictures == 20_000


def test_all_runs_are_of_one_program_on_one_machine_and_say_so(study):
    assert len(study.source.hardware) == len(study.source.commits) == 1
    assert "dirty" not in study.source.commits[0]
    assert study.source.train_minutes > 60
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for date in study.source.dates)


def test_the_tables_that_are_shipped_follow_from_the_records(study, tmp_path):
    written = {
        path.name: path.read_text()
        for path in write_everything(study, tmp_path, drawn_in=("en",))
        if path.suffix not in (".png", ".pdf")
    }
    for name in (*TABLES, "report.md", "report.ko.md"):
        made, shipped = written[name], (pack.OUTPUTS / name).read_text()
        if name.endswith(".json"):  # another version of a library may round the last digit another way
            made, shipped = (
                json.loads(text, parse_float=lambda digits: f"{float(digits):.9g}") for text in (made, shipped)
            )
        assert made == shipped, name


def test_each_dense_run_has_its_sensitivity_curves(study):
    for folder in study.folders:
        if folder.spec.is_dense:
            assert read_sensitivity(folder) is not None


def test_it_is_small():
    assert sum(path.stat().st_size for path in SAMPLE.path.rglob("*") if path.is_file()) < LARGEST


@pytest.mark.parametrize(("language", "readme"), [("en", "README.md"), ("ko", "README.ko.md")])
def test_the_readme_shows_its_numbers(language, readme):
    text = (ROOT / readme).read_text()
    assert readme_table(language) in text
    assert text.count(" | ".join(HEADS[language])) == 1


def test_a_study_with_a_gap_is_not_packed(tmp_path, monkeypatch, capsys):
    recipe = next(folder.spec.recipe for folder in SAMPLE.runs() if not folder.spec.is_dense)
    home = Home(tmp_path / "home").prepare()
    write_result(home, RunSpec(recipe, "magnitude", 42, 0.9))
    write_result(home, RunSpec(recipe, DENSE, 42))
    there = shutil.copytree(SAMPLE.path, tmp_path / "sample")
    monkeypatch.setattr(pack, "SAMPLE", Home(there))
    monkeypatch.setattr("sys.argv", ["pack", "--home", str(home.path)])
    assert pack.main() == 1
    assert "magnitude 0.3, seed 42" in capsys.readouterr().err.lower()
    assert len(Home(there).runs()) == len(SAMPLE.runs())


def test_a_packed_study_is_all_there_with_its_latencies(tmp_path, monkeypatch):
    target = Home(tmp_path / "sample")
    monkeypatch.setattr(pack, "SAMPLE", target)
    pack.pack(SAMPLE, find_study(SAMPLE))
    assert [folder.run_id for folder in target.runs()] == [folder.run_id for folder in SAMPLE.runs()]
    for path in SAMPLE.latencies.iterdir():
        assert (target.latencies / path.name).read_bytes() == path.read_bytes()
