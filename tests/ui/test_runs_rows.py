"""Runs as rows: filtered, grouped, compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.runs.folder import Home, State
from core.runs.status import Statuses
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.korean import korean
from tests.records import write_result
from ui.runs.rows import Filter, differences, group_row, groups, run_row

RECIPE = build_recipe("demo")


@pytest.fixture
def runs(tmp_path):
    home = Home(tmp_path).prepare()
    for seed, accuracy in ((1, 90.0), (2, 92.0), (3, 94.0)):
        write_result(home, RunSpec(RECIPE, "magnitude", seed, 0.9), test_accuracy=accuracy)
    home.create(RunSpec(RECIPE, "magnitude", 4, 0.9)).enqueue()
    write_result(home, RunSpec(build_recipe("demo", finetune_epochs=7), "magnitude", 1, 0.9))
    write_result(home, RunSpec(RECIPE, "dense", 1))
    return Statuses(home).read()


def test_a_filter_holds_what_is_asked_for_and_nothing_else(runs):
    assert all(Filter().matches(run) for run in runs)
    assert [run.spec.seed for run in runs if Filter(states={State.QUEUED}).matches(run)] == [4]
    assert {run.spec.method for run in runs if Filter(variants={"Dense"}).matches(run)} == {"dense"}
    assert {run.spec.seed for run in runs if Filter(text="  Magnitude SEED2 ").matches(run)} == {2}
    assert len([run for run in runs if Filter(text="+7 epochs").matches(run)]) == 1
    assert {run.spec.method for run in runs if korean(Filter(text="크기 너비").matches, run)} == {"magnitude"}
    assert not any(Filter(text="크기 너비").matches(run) for run in runs)
    assert not any(Filter(text="nothing like that").matches(run) for run in runs)


def test_seeds_of_one_configuration_share_a_row_with_mean_and_interval(runs):
    found = {len(group): group for group in groups(runs) if group[0].spec.recipe == RECIPE}
    assert sum(map(len, groups(runs))) == len(runs)
    row = group_row(found[4])
    assert (row["method"], row["done"], row["accuracy"]) == ("Magnitude", 3, 92.0)
    assert row["interval"] == pytest.approx(4.97, abs=0.01)  # 4.303 · 2 / √3
    assert "○ 1" in row["state"]
    assert "✓ 3" in row["state"]
    alone = group_row(found[1] if 1 in found else groups(runs)[-1])
    assert alone["interval"] is None


def test_a_damaged_run_has_a_row_of_its_own(runs):
    broken = replace(runs[0], run_id="broken", spec=None, state=State.FAILED)
    assert [broken] in groups([*runs, broken])
    assert run_row(broken)["method"] == "broken"
    assert not Filter(variants={"Magnitude"}).matches(broken)
    assert Filter(text="BROKEN").matches(broken)


def test_the_difference_names_the_fields_that_differ_and_no_other():
    one = RunSpec(RECIPE, "magnitude", 1, 0.9)
    assert differences(one, one) == []
    other = RunSpec(build_recipe("demo", epochs=7), "structured", 2, 0.9)
    found = {name: (left, right) for name, left, right in differences(one, other)}
    assert found["method"] == ("magnitude", "structured")
    assert found["seed"] == ("1", "2")
    assert found["recipe.train.epochs"][1] == "7"
    assert "sparsity" not in found
    assert "recipe.width" not in found
    assert any("—" in pair for name, pair in found.items() if name.startswith("settings."))
    dense = differences(one, RunSpec(RECIPE, "dense", 1))
    assert dense
    assert all(left != right for _, left, right in dense)  # "—" and "—" are no difference
