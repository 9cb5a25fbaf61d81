"""Sensitivity curves: what they say, that nothing is measured twice, and what happens when files are not as expected."""

import json

import numpy as np
import pytest
from PIL import Image

from core.engine import resnet18, save_model, sensitivity
from core.engine.data import load_dataset
from core.engine.data.augment import DeviceImages
from core.engine.evaluate import evaluate
from core.engine.pruning import prune
from core.engine.pruning.base import Context
from core.engine.sensitivity import measure_sensitivity
from core.runs.folder import Home
from core.runs.result import Origin
from core.runs.sensitivity import read_sensitivity
from core.spec.errors import InputError
from core.spec.methods import METHODS
from core.spec.spec import Recipe, RunSpec, Schedule
from tests.records import write_result

FEW = [METHODS["magnitude"], METHODS["random"]]
SPARSITIES = (0.0, 0.5, 0.98)
POINTS = 2 * len(SPARSITIES) * len(FEW)  # after the cut, and after repair


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for split, size in (("train", 20), ("test", 30)):
        for name in ("one", "two"):
            (folder / split / name).mkdir(parents=True)
            for index in range(size):
                Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(
                    folder / split / name / f"{index}.png"
                )
    return f"folder:{folder}"


@pytest.fixture(autouse=True)
def sparsities(monkeypatch):
    monkeypatch.setattr(sensitivity, "SPARSITIES", SPARSITIES)


@pytest.fixture
def folder(tmp_path, data):
    """A dense run that looks finished."""
    home = Home(tmp_path).prepare()
    recipe = Recipe("tiny", data, 4, Schedule(1, 0.1), None)
    fingerprint = load_dataset(data, home).fingerprint
    run = write_result(home, RunSpec(recipe, "dense", 1), origin={"data": fingerprint})
    save_model(resnet18(4, 2, seed=1), run.model_path)
    return run


@pytest.fixture
def measured(monkeypatch):
    """What is really measured, and not found in the cache, of two methods."""
    monkeypatch.setattr(sensitivity, "one_shot_methods", lambda: FEW)
    found = []
    original = sensitivity._Points._measure

    def measure(self, *point):
        found.append(point)
        return original(self, *point)

    monkeypatch.setattr(sensitivity._Points, "_measure", measure)
    return found


def test_each_point_is_the_accuracy_right_after_pruning(folder, data, tmp_path):
    assert measure_sensitivity(folder.path)
    found = read_sensitivity(folder)
    assert (found.pictures, found.test_pictures) == (60, 60)
    names = [curve.method for curve in found.curves]
    assert names == [method.name for method in METHODS.values() if not method.restarts]
    pictures = load_dataset(data, Home(tmp_path))
    test = DeviceImages(pictures.test, pictures.mean, pictures.std, "cpu")
    dense = resnet18(4, 2, seed=1)
    for curve in found.curves:
        context = Context(
            1, dict(METHODS[curve.method].complete({})), dict, lambda n: None, lambda seed: resnet18(4, 2, seed=seed)
        )
        assert curve.sparsity == SPARSITIES
        for sparsity, accuracy in zip(SPARSITIES, curve.accuracy, strict=True):
            pruned = prune(curve.method, dense, sparsity, context).model
            assert accuracy == pytest.approx(evaluate(pruned, test, 2).accuracy, abs=0.01)
        assert len(curve.repaired) == len(SPARSITIES)


def test_a_computation_in_slices_measures_each_point_once_and_repeating_it_none(folder, measured):
    slices = 0
    while not measure_sensitivity(folder.path, seconds=0):
        slices += 1
        assert read_sensitivity(folder) is None
        if slices == 2:
            break
    assert len(measured) == 2
    assert {repair for *_, repair in measured} == {"none"}
    assert measure_sensitivity(folder.path)
    assert len(measured) == POINTS
    assert sum(repair == "best" for *_, repair in measured) == POINTS / 2
    assert measure_sensitivity(folder.path)
    folder.sensitivity_path.write_text("{")
    assert measure_sensitivity(folder.path)
    assert read_sensitivity(folder) is not None
    assert len(measured) == POINTS
    record = json.loads(folder.sensitivity_path.read_text())
    for curve in record["curves"]:
        del curve["repaired"]  # of an earlier version
    folder.sensitivity_path.write_text(json.dumps(record))
    assert read_sensitivity(folder).curves[0].repaired is None
    assert measure_sensitivity(folder.path)
    assert read_sensitivity(folder).curves[0].repaired is not None
    assert len(measured) == POINTS


def test_another_network_has_curves_of_its_own(folder, measured):
    measure_sensitivity(folder.path)
    before = read_sensitivity(folder)
    save_model(resnet18(4, 2, seed=2), folder.model_path)
    measure_sensitivity(folder.path)
    assert read_sensitivity(folder).model != before.model
    assert len(measured) == 2 * POINTS


def test_a_damaged_cache_is_measured_anew(folder, measured, tmp_path):
    measure_sensitivity(folder.path)
    before = read_sensitivity(folder)
    for path in (tmp_path / "cache" / "sensitivity").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    folder.sensitivity_path.unlink()
    measure_sensitivity(folder.path)
    assert read_sensitivity(folder) == before
    assert len(measured) == 2 * POINTS


def test_only_part_of_many_pictures_is_used_and_the_curves_say_so(folder, monkeypatch):
    monkeypatch.setattr(sensitivity, "one_shot_methods", lambda: FEW)
    monkeypatch.setattr(sensitivity, "MAX_IMAGES", 10)
    measure_sensitivity(folder.path)
    found = read_sensitivity(folder)
    assert (found.pictures, found.test_pictures) == (10, 60)
    assert all(accuracy % 10 == 0 for curve in found.curves for accuracy in curve.accuracy)


def test_pictures_that_have_changed_are_a_sentence(folder):
    folder.commit(folder.result().model_copy(update={"origin": Origin(data="another")}))
    with pytest.raises(InputError, match="have changed"):
        measure_sensitivity(folder.path)
    assert read_sensitivity(folder) is None


def test_what_needs_no_repair_is_there_before_the_rest(folder, monkeypatch):
    monkeypatch.setattr(sensitivity, "one_shot_methods", lambda: FEW)

    plain = sensitivity.RunContext.repair

    def repair(self, method, how, uncut, pruned):
        if how != "none":
            raise InputError("no repair today")
        return plain(self, method, how, uncut, pruned)

    monkeypatch.setattr(sensitivity.RunContext, "repair", repair)
    with pytest.raises(InputError, match="no repair today"):
        measure_sensitivity(folder.path)
    curves = read_sensitivity(folder).curves
    assert [curve.method for curve in curves] == [method.name for method in FEW]
    assert all(curve.repaired is None for curve in curves)
    monkeypatch.setattr(sensitivity.RunContext, "repair", plain)
    assert measure_sensitivity(folder.path)
    assert all(len(curve.repaired) == len(SPARSITIES) for curve in read_sensitivity(folder).curves)
