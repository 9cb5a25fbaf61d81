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


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("  Magnitude SEED 2 ", {2}),
        ("2", {2}),
        ("magnitude 2", {2}),
        ("seed 8", set()),  # 8 is the width
        ("width 8 seed 3", {3}),
        ("width 1", set()),
        ("+7 epochs", {1}),
        ("7 epochs", {1}),
        ("sparsity 0.90, queued", {4}),
        ("0.9 queued", {4}),
        ("90", set()),
        ("seed2", set()),  # part of every id
        ("nothing like that", set()),
        ("크기 너비", set()),
    ],
)
def test_a_search_finds_the_words_of_the_table_and_whole_numbers(runs, text, seeds):
    assert {run.spec.seed for run in runs if Filter(text=text).matches(run) and not run.spec.is_dense} == seeds


def test_a_search_finds_no_hash_but_a_whole_id_and_in_korean_the_korean_words(runs):
    first = runs[0]
    assert not any(Filter(text=first.run_id[-6:]).matches(run) for run in runs)
    assert [run for run in runs if Filter(text=f" {first.run_id} ").matches(run)] == [first]
    assert {run.spec.seed for run in runs if korean(Filter(text="크기 시드 4 대기 너비 8").matches, run)} == {4}


def test_seeds_of_one_configuration_share_a_row_with_mean_and_interval(runs):
    found = {len(group): group for group in groups(runs) if group[0].spec.recipe == RECIPE}
    assert sum(map(len, groups(runs))) == len(runs)
    row = group_row(found[4])
    assert (row["method"], row["done"], row["accuracy"]) == ("Magnitude", 3, 92.0)
    assert row["interval"] == pytest.approx(4.97, abs=0.01)  # 4.303 · 2 / √3
    assert "○ 1" in row["state"]
    assert "✓ 3" in row["state"]
    alone = group_row(next(group for group in groups(runs) if len(group) == 1))
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
