"""Diagnostics say what an independent look at the same network says, and no run is harmed by them."""

import errno
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.cli.main import main
from core.engine import diagnose as diagnose_module
from core.engine import execute as execute_module
from core.engine import load_model, save_model
from core.engine import train as train_module
from core.engine.context import RunContext
from core.engine.data import load_dataset
from core.engine.diagnose import diagnose, diagnose_run
from core.engine.execute import execute
from core.engine.networks.layers import prunable
from core.runs.diagnostics import BINS, read_diagnostics
from core.runs.folder import Home, State
from core.runs.result import Origin, RunResult
from core.spec.errors import InputError
from core.spec.spec import Recipe, RunSpec, Schedule

METHODS = {
    "magnitude": ("magnitude", 0.9, {}),
    "structured": ("structured", 0.6, {}),
    "taylor": ("structured", 0.6, {"criterion": "taylor", "allocation": "cost"}),
    "random filters": ("random_filters", 0.6, {}),
    "from scratch": ("from_scratch", 0.5, {}),
}


def spec_of(recipe, name):
    """Neither repair nor its fine-tuning changes weights, so that kept filters can be told by them."""
    gentle = Recipe(recipe.preset, recipe.data, recipe.width, recipe.train, Schedule(1, 1e-6, batch_size=16))
    method, sparsity, settings = METHODS[name]
    return RunSpec(gentle, method, 1, sparsity, (("repair", "none"), *settings.items()))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, dense_home, recipe):
    """A home in which the dense run and all of METHODS are done, not to be changed."""
    home = Home(shutil.copytree(dense_home.path, tmp_path_factory.mktemp("finished") / "home"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.engine.result.FULL_SECONDS", 0.005)
        patch.setattr("core.engine.result.QUICK_SECONDS", 0.005)
        for name in METHODS:
            assert execute(home.create(spec_of(recipe, name)).path) == State.DONE
    return home


@pytest.fixture
def home(tmp_path, finished):
    """A copy to change."""
    return Home(shutil.copytree(finished.path, tmp_path / "home"))


@pytest.fixture
def dense(home, recipe):
    return home.run(RunSpec(recipe, "dense", 1).run_id)


@pytest.fixture
def run(home, recipe):
    return lambda name: home.run(spec_of(recipe, name).run_id)


def predictions(folder, data):
    """The class of each test picture, one at a time and without the engine's own evaluation."""
    model = load_model(folder.model_path)
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    images = ((data.test.images / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        return [int(model(image[None]).argmax()) for image in images]


def test_confusion_and_flips_are_those_of_the_two_networks(home, dense, run, recipe):
    folder = run("magnitude")
    found, data = read_diagnostics(folder), load_dataset(recipe.data, home)
    now, before, truth = predictions(folder, data), predictions(dense, data), data.test.labels.tolist()
    expected = np.zeros((2, 2), int)
    for true, guess in zip(truth, now, strict=True):
        expected[true, guess] += 1
    assert found.confusion == tuple(map(tuple, expected))
    assert found.correct == tuple(expected.diagonal())
    assert found.accuracy == pytest.approx(folder.result().test_accuracy, abs=0.001)
    triples = list(zip(truth, before, now, strict=True))
    lost = {index for index, (true, old, new) in enumerate(triples) if old == true != new}
    assert found.lost == len(lost)
    assert found.gained == sum(old != true == new for true, old, new in triples)
    assert {mistake.index for mistake in found.mistakes} == lost
    assert all(mistake.predicted == now[mistake.index] != mistake.truth for mistake in found.mistakes)
    confidences = [mistake.confidence for mistake in found.mistakes]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(found.dense_correct) == sum(old == true for true, old, _ in triples)


def test_layers_are_counted_weight_by_weight(run):
    folder = run("magnitude")
    found, weights = read_diagnostics(folder), prunable(load_model(folder.model_path))
    assert [layer.name for layer in found.layers] == [name.removesuffix(".weight") for name in weights]
    for layer, weight in zip(found.layers, weights.values(), strict=True):
        values = weight.detach().double().flatten().tolist()
        nonzero = [value for value in values if value != 0]
        assert layer.zeros == len(values) - len(nonzero)
        assert layer.limit == max(map(abs, nonzero))
        width = 2 * layer.limit / BINS
        bins = [0] * BINS
        for value in nonzero:
            bins[min(BINS - 1, int((value + layer.limit) / width))] += 1
        assert sum(abs(a - b) for a, b in zip(bins, layer.counts, strict=True)) <= 4  # values on an edge
        if weight.dim() > 2:
            left = [int((part != 0).sum()) / part.numel() for part in weight]
            assert all(percent - 1 < 100 * share <= percent for percent, share in zip(layer.filters, left, strict=True))
    density = sum(layer.density * np.prod(layer.dense_shape) for layer in found.layers)
    total = sum(np.prod(layer.dense_shape) for layer in found.layers)
    assert 1 - density / total == pytest.approx(folder.result().reached_sparsity)


@pytest.mark.parametrize("name", ["structured", "taylor", "random filters"])
def test_the_filters_left_are_those_of_the_dense_network(dense, run, name):
    folder = run(name)
    found = read_diagnostics(folder)
    old, new = load_model(dense.model_path), load_model(folder.model_path)
    stem = torch.tensor(found.layers[0].filters).nonzero().flatten()
    inner = torch.tensor(found.layers[1].filters).nonzero().flatten()
    assert 0 < len(stem) < 4
    torch.testing.assert_close(new.conv1.weight, old.conv1.weight[stem], atol=1e-3, rtol=0)
    block = old.layer1[0].conv1.weight[inner][:, stem]
    torch.testing.assert_close(new.layer1[0].conv1.weight, block, atol=1e-3, rtol=0)
    assert all(layer.filters_left == layer.shape[0] for layer in found.layers)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("old_checkpoint", [False, True])
def test_which_filters_are_left_is_known_from_the_cut_and_computed_only_where_an_old_checkpoint_does_not_say(
    home, recipe, run, monkeypatch, old_checkpoint
):
    folder = run("taylor")
    expected = read_diagnostics(folder).layers
    calls = []
    real, real_prune, real_save = train_module.train_epoch, diagnose_module.prune, train_module.save_checkpoint
    spec = replace(folder.spec, recipe=replace(recipe, finetune=Schedule(2, 1e-6, batch_size=16)))
    folder = home.create(spec)

    def kill(*args, **kwargs):
        if kwargs["epoch"] == 1:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    def save(path, epoch, state, lease):
        if old_checkpoint:
            del state["kept"]
        real_save(path, epoch, state, lease)

    def prune(*args):
        calls.append(args)
        return real_prune(*args)

    monkeypatch.setattr(diagnose_module, "prune", prune)
    monkeypatch.setattr(train_module, "save_checkpoint", save)
    monkeypatch.setattr(train_module, "train_epoch", kill)
    with pytest.raises(KeyboardInterrupt):
        execute(folder.path)
    monkeypatch.setattr(train_module, "train_epoch", real)
    assert execute(folder.path) == State.DONE
    assert bool(calls) == old_checkpoint
    assert [layer.filters for layer in read_diagnostics(folder).layers] == [layer.filters for layer in expected]


def test_new_weights_are_none_of_the_dense_networks_filters(run):
    found = read_diagnostics(run("from scratch"))
    assert all(layer.filters is None for layer in found.layers)
    assert all(layer.filters_left == layer.shape[0] for layer in found.layers)


@pytest.mark.parametrize("method", ["dense", "magnitude", "structured"])
def test_the_parts_are_all_of_the_file(dense, run, method):
    folder = dense if method == "dense" else run(method)
    found = read_diagnostics(folder)
    assert found.size == folder.model_path.stat().st_size
    assert found.dense_size == dense.model_path.stat().st_size
    assert (found.parts["positions"] > 0) == (method == "magnitude")
    weights = sum(int(weight.count_nonzero()) for weight in prunable(load_model(folder.model_path)).values())
    # A layer with few zeros is stored with them.
    assert 4 * weights <= found.parts["values"] <= (1.1 if method == "magnitude" else 1) * 4 * weights
    assert found.parts["bias"] == 4 * 2
    assert found.plain_size == pytest.approx(1e6 * folder.result().plain_size_mb)


def test_a_dense_run_shows_what_it_gets_wrong_itself(dense):
    found = read_diagnostics(dense)
    assert found.model == found.dense == dense.result().model_sha256
    assert (found.lost, found.gained) == (0, 0)
    assert found.correct == found.dense_correct
    assert len(found.mistakes) == sum(found.pictures) - sum(found.correct)


def test_computing_it_later_finds_the_same_and_only_once(dense, run):
    folder = run("taylor")
    first = folder.diagnostics_path.read_bytes()
    assert not diagnose_run(folder.path)
    for damage in (b"{", None):
        folder.diagnostics_path.unlink()
        if damage:
            folder.diagnostics_path.write_bytes(damage)
        assert diagnose_run(folder.path)
        assert folder.diagnostics_path.read_bytes() == first
        assert not diagnose_run(folder.path)


def without_digest(result):
    """As in results of before the network was named."""
    record = result.to_json()
    del record["model_sha256"]
    return RunResult.model_validate(record)


def test_diagnostics_of_another_network_are_made_anew(dense):
    old = read_diagnostics(dense)
    save_model(load_model(dense.model_path), dense.model_path, dtype="float16")
    dense.commit(without_digest(dense.result()))
    assert diagnose_run(dense.path)
    assert read_diagnostics(dense).model != old.model


def test_what_it_cannot_be_computed_without_is_named(home, dense, run):
    folder = run("magnitude")
    folder.diagnostics_path.unlink()
    result = folder.result()
    folder.commit(result.model_copy(update={"origin": Origin(data="another")}))
    with pytest.raises(InputError, match="have changed"):
        diagnose_run(folder.path)
    folder.commit(result.model_copy(update={"origin": Origin(data=result.origin.data, dense="another")}))
    with pytest.raises(InputError, match="not the dense network any more"):
        diagnose_run(folder.path)
    folder.commit(result)
    dense.model_path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        diagnose_run(folder.path)
    assert folder.state() == State.DONE


def test_a_network_whose_training_diverged_can_be_diagnosed(dense):
    broken = load_model(dense.model_path)
    with torch.no_grad():
        broken.conv1.weight[0] = float("nan")
    save_model(broken, dense.model_path)
    dense.commit(without_digest(dense.result()))
    found = diagnose(RunContext(dense))
    assert sum(found.layers[0].counts) == 27 * 3
    assert all(0 <= mistake.confidence <= 100 for mistake in found.mistakes)


def test_a_full_disk_fails_the_run_as_for_any_other_file(home, recipe, impatient, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(execute_module, "write_diagnostics", full)
    folder = home.create(RunSpec(recipe, "random", 1, 0.5))
    assert execute(folder.path) == State.FAILED
    assert "The disk is full" in str(folder.describe()[1].message)
    assert folder.result() is None


def test_the_command_examines_every_run_and_names_those_it_cannot(home, dense, run, capsys):
    folder = run("magnitude")
    for other in home.runs():
        if other.run_id not in (dense.run_id, folder.run_id):
            shutil.rmtree(other.path)
        else:
            other.diagnostics_path.unlink()
    folder.model_path.write_bytes(b"altered")
    assert main(["examine", "--home", str(home.path)]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(dense.diagnostics_path)]
    assert "was altered" in printed.err
    assert printed.err.count("\n") == 1
    assert main(["examine", dense.run_id, "--home", str(home.path)]) == 0
    assert read_diagnostics(folder) is None
