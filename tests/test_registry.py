"""The registries tell the truth: every name leads somewhere, and one entry is all that a new method needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.charts.styles import assign_styles
from core.cli.main import main
from core.jobs.queue import Queue
from core.report.study import find_study
from core.report.tables import efficiency_table
from core.results.statistics import summarise
from core.runs.folder import Home
from core.runs.sensitivity import one_shot_methods
from core.spec.method import load_function
from core.spec.methods import METHODS, find_method, prune_function
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.made_up import MADE_UP
from tests.records import write_result

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = [(m, s.name, o) for m in METHODS.values() for s in m.settings for o in s.options if o.function]


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setitem(METHODS, "made_up", MADE_UP)
    return MADE_UP


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path))
    return Home(tmp_path).prepare()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_function_and_papers_or_is_a_baseline(name):
    method = find_method(name)
    assert callable(prune_function(name))
    assert bool(method.citations) == bool(method.source)
    assert method.citations or method.group == "baseline"
    assert (method.group == "baseline") == any(other.has_to_beat(method) for other in METHODS.values())


@pytest.mark.parametrize(("method", "setting", "option"), OPTIONS, ids=lambda part: getattr(part, "value", ""))
def test_every_option_has_its_function(method, setting, option):
    assert callable(load_function(option.function))
    assert all(other.function for other in method.setting(setting).options)


@pytest.fixture
def images(tmp_path):
    """A folder of eight images to train on, and eight to test."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for index in range(4):
                pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / split / name / f"{index}.png")
    return f"folder:{tmp_path / 'images'}"


def test_a_made_up_method_is_trained_and_reported_by_the_command_line(made_up, home, images, capsys, monkeypatch):
    for name in ("FULL_SECONDS", "QUICK_SECONDS"):
        monkeypatch.setattr(f"core.engine.result.{name}", 0.005)
    options = ["--data", images, "--batch-size", "4", "--width", "4", "--epochs", "1", "--finetune-epochs", "1"]
    options += ["--home", str(home.path)]
    chosen = ["--method", "made_up", "--sparsity", "0.5", "--set", "remove=largest"]
    assert main(["train-pruned", *options, *chosen, "--seed", "1"]) == 0
    assert '"reached_sparsity": 0.5' in capsys.readouterr().out
    assert main(["report", "--home", str(home.path), "--out", str(home.path / "out")]) == 0
    report = (home.path / "out" / "report.md").read_text()
    assert "Made up (remove largest)" in report
    assert all(paper in report for paper in (*made_up.citations, "The Largest Go First"))


def test_a_made_up_method_is_in_curves_frame_and_table_and_beside_its_baseline(made_up, home):
    recipe = build_recipe("demo")
    for spec in (RunSpec(recipe, "dense", 1), RunSpec(recipe, "made_up", 1, 0.5), RunSpec(recipe, "random", 1, 0.5)):
        write_result(home, spec)
    study = find_study(home)
    assert "Made up" in set(efficiency_table(study.frame)["method"])
    assert list(assign_styles(summarise(study.frame))) == ["Random", "Made up"]  # more methods than there are colours
    assert made_up in one_shot_methods()
    assert made_up.has_to_beat(METHODS["random"])


def test_launch_offers_a_made_up_method_with_its_setting(made_up, home, monkeypatch):
    submitted = []
    monkeypatch.setattr("ui.shared.services.BackgroundReconciler.poll", lambda self: None)  # it would start a cluster
    monkeypatch.setattr(Queue, "_dispatch", lambda self, folders: submitted.extend(folder.spec for folder in folders))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run().switch_page("pages/launch.py").run()
    app = app.button_group(key="methods to launch").set_value(["made_up"]).run()
    app = app.selectbox(key="made_up remove recommended").set_value("largest").run()
    app.button(key="launch").click().run()
    assert {spec.variant for spec in submitted} == {"Dense", "Made up (remove largest)"}
