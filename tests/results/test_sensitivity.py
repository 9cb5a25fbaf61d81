"""Reading curves: what is refused, the mean over seeds, and values between the points."""

from __future__ import annotations

import json

import pytest

from core.results.sensitivity import accuracy_at, mean_curves, sensitivity_frame
from core.runs.folder import Home
from core.runs.sensitivity import (
    SPARSITIES,
    Curve,
    Sensitivity,
    one_shot_methods,
    read_sensitivity,
    write_sensitivity,
)
from core.spec.methods import METHODS
from core.spec.presets import SPARSITIES as USUAL
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path).prepare()


def keep(home, seed, *curves):
    folder = home.create(RunSpec(build_recipe("demo"), "dense", seed))
    write_sensitivity(folder, Sensitivity(folder.run_id, "a", "b", "fp32", 2000, 10_000, curves))
    return folder


def magnitude(*accuracy, sparsity=(0.0, 0.5, 0.9), **settings):
    return Curve("magnitude", dict(METHODS["magnitude"].complete(settings)), sparsity, accuracy)


def test_the_sparsities_are_many_and_include_those_of_a_study():
    assert len(SPARSITIES) >= 21
    assert list(SPARSITIES) == sorted(set(SPARSITIES))
    assert set(USUAL) <= set(SPARSITIES)
    assert SPARSITIES[-1] == 0.98
    assert sum(sparsity >= 0.7 for sparsity in SPARSITIES) > len(SPARSITIES) / 2


def test_methods_that_start_over_have_no_curve():
    names = {method.name for method in one_shot_methods()}
    assert {"magnitude", "structured", "random"} <= names
    assert "lottery_ticket" not in names


def test_what_is_written_is_read(home):
    folder = keep(home, 1, magnitude(90.0, 80.0, 10.0))
    found = read_sensitivity(folder)
    assert found.curves == (magnitude(90.0, 80.0, 10.0),)
    assert (found.pictures, found.test_pictures) == (2000, 10_000)
    assert not list(folder.path.glob(".*.tmp"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.update(run_id="another"),
        lambda data: data.update(pictures=0),
        lambda data: data.update(pictures=20_000),
        lambda data: data.pop("model"),
        lambda data: data.update(curves=None),
        lambda data: data["curves"].append("curve"),
        lambda data: data["curves"][0].update(method="magic"),
        lambda data: data["curves"][0].update(settings=[]),
        lambda data: data["curves"][0].update(settings={"allocation": "magic"}),
        lambda data: data["curves"][0].update(sparsity=[0.0, 0.9, 0.5]),
        lambda data: data["curves"][0].update(sparsity=[0.0, 0.5, 1.0]),
        lambda data: data["curves"][0].update(sparsity=[], accuracy=[]),
        lambda data: data["curves"][0].update(accuracy=[90.0, 80.0]),
        lambda data: data["curves"][0].update(accuracy=[90.0, 80.0, 101.0]),
        lambda data: data["curves"][0].update(accuracy=[90.0, 80.0, float("nan")]),
        lambda data: data["curves"][0].update(accuracy=5),
    ],
)
def test_damaged_curves_count_as_none(home, damage):
    folder = keep(home, 1, magnitude(90.0, 80.0, 10.0))
    data = json.loads(folder.sensitivity_path.read_text())
    damage(data)
    folder.sensitivity_path.write_text(json.dumps(data))
    assert read_sensitivity(folder) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_garbled_file_counts_as_none(home, content):
    folder = keep(home, 1, magnitude(90.0, 80.0, 10.0))
    folder.sensitivity_path.write_bytes(content)
    assert read_sensitivity(folder) is None
    assert sensitivity_frame(home, [folder.run_id]).empty
    assert accuracy_at(mean_curves(sensitivity_frame(home, [folder.run_id])), 0.5) == {}


def test_the_mean_is_over_the_seeds_that_have_curves(home):
    ids = [
        keep(home, 1, magnitude(90.0, 80.0, 10.0), magnitude(90.0, 70.0, 5.0, allocation="lamp")).run_id,
        keep(home, 2, magnitude(92.0, 84.0, 20.0)).run_id,
        home.create(RunSpec(build_recipe("demo"), "dense", 3)).run_id,
    ]
    means = mean_curves(sensitivity_frame(home, ids)).set_index(["variant", "sparsity"])
    assert dict(means.loc["Magnitude", "accuracy"]) == {0.0: 91.0, 0.5: 82.0, 0.9: 15.0}
    assert set(means.loc["Magnitude", "n"]) == {2}
    assert list(means.loc["Magnitude (allocation lamp)", "accuracy"]) == [90.0, 70.0, 5.0]


def test_a_mean_is_only_of_points_that_every_seed_has(home):
    ids = [
        keep(home, 1, magnitude(90.0, 80.0, 10.0)).run_id,
        keep(home, 2, magnitude(90.0, 80.0, sparsity=(0.0, 0.5))).run_id,
    ]
    assert list(mean_curves(sensitivity_frame(home, ids))["sparsity"]) == [0.0, 0.5]


def test_between_points_the_value_lies_on_the_line_and_beyond_them_there_is_none(home):
    means = mean_curves(sensitivity_frame(home, [keep(home, 1, magnitude(90.0, 80.0, 10.0)).run_id]))
    assert accuracy_at(means, 0.5) == {"Magnitude": 80.0}
    assert accuracy_at(means, 0.7) == {"Magnitude": pytest.approx(45.0)}
    assert accuracy_at(means, 0.9) == {"Magnitude": 10.0}
    assert accuracy_at(means, 0.91) == {}
