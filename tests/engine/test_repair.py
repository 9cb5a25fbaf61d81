"""Repair after a cut, without training."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from core.engine.context import RunContext
from core.engine.evaluate import Evaluation
from core.engine.execute import execute
from core.engine.networks.build import resnet18
from core.engine.networks.layers import prunable
from core.engine.pruning import prune
from core.engine.pruning.base import Pruned, masked
from core.engine.pruning.magnitude import magnitude_masks
from core.engine.pruning.shrink import shrink
from core.engine.pruning.structured import choose_channels
from core.engine.recovery.repair import REPAIRS, reestimate_batchnorm, repair_best
from core.runs.folder import State
from core.spec.methods import METHODS
from core.spec.settings import BEST_REPAIR
from core.spec.spec import RunSpec
from tests.engine.conv_graph import conv_graph


@pytest.fixture(scope="module")
def uncut():
    """A network whose running statistics are those of the pictures."""
    model = resnet18(8, seed=0)
    return reestimate_batchnorm(Pruned(model), model, pictures(1))


def pictures(seed):
    return torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def cut(model, how):
    if how == "masks":
        masks = magnitude_masks(model, 0.8)
        return Pruned(masked(model, masks), masks)
    kept = choose_channels(model, 0.5, pictures(1))
    return Pruned(shrink(model, kept, pictures(1)), kept=kept)


def error(pruned, uncut, repaired):
    """By how much the network differs from the uncut one after its first stage."""
    seen = {}
    for name, model in (("before", uncut), ("after", repaired)):
        hook = model.layer1.register_forward_hook(lambda *args, name=name: seen.update({name: args[2]}))
        with torch.no_grad():
            model.eval()(pictures(1))
        hook.remove()
    before = seen["before"] if pruned.kept is None else seen["before"][:, pruned.kept["conv1"]]
    return float((before - seen["after"]).square().mean())


@pytest.mark.parametrize("how", ["masks", "channels"])
def test_each_repair_comes_closer_to_the_uncut_network_and_keeps_zeros_and_the_original(uncut, how):
    pruned = cut(uncut, how)
    original = {name: value.clone() for name, value in pruned.model.state_dict().items()}
    repaired = {name: repair(pruned, uncut, pictures(1)) for name, repair in REPAIRS.items()}
    errors = {name: error(pruned, uncut, model) for name, model in repaired.items()}
    assert errors["least-squares"] == min(errors.values())
    assert errors["variance"] < errors["none"]
    assert all(torch.equal(value, original[name]) for name, value in pruned.model.state_dict().items())
    for model in repaired.values():
        assert all(not prunable(model)[name][~mask].any() for name, mask in pruned.masks.items())
        assert all(model.get_submodule(edge.norm).momentum == 0.1 for edge in conv_graph())


@pytest.mark.parametrize("name", REPAIRS)
def test_a_network_that_lost_nothing_stays_as_it_is(uncut, name):
    model = deepcopy(uncut)
    with torch.no_grad():
        model.layer2[0].bn1.weight[::2] *= -1
    repaired = REPAIRS[name](Pruned(model), model, pictures(1))
    with torch.no_grad():
        difference = (repaired.eval()(pictures(1)) - model.eval()(pictures(1))).abs().max()
    assert difference < (0.2 if name == "batchnorm" else 1e-3)


def test_a_smaller_network_of_unknown_channels_has_its_batchnorm_estimated_anew(uncut):
    pruned = replace(cut(uncut, "channels"), kept=None)
    expected = reestimate_batchnorm(pruned, uncut, pictures(1)).state_dict()
    found = REPAIRS["least-squares"](pruned, uncut, pictures(1)).state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_best_is_the_most_accurate_on_the_other_pictures_the_first_of_equals_and_never_one_that_broke(uncut):
    pruned = cut(uncut, "masks")

    def best(*accuracies, loss=1.0):
        left = iter(accuracies)
        return repair_best(
            ("none", "batchnorm", "variance"),
            pruned,
            uncut,
            pictures(1),
            lambda model: Evaluation(accuracy := next(left), loss if accuracy > 90 else 1.0, ()),
        ).applied

    assert best(50, 60, 55) == "batchnorm"
    assert best(60, 60, 60) == "none"
    assert best(50, 99, 55, loss=float("nan")) == "variance"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_best_is_not_worse_than_the_cut_on_the_pictures_it_is_chosen_by(home, recipe, method):
    context = RunContext(home.create(RunSpec(recipe, method.name, 1, 0.7)))
    dense = context.load(context.dense_folder)
    pruned = prune(method.name, dense, 0.7, context.pruning_context(dict(method.complete({}))))
    repaired = context.repair(method, BEST_REPAIR, dense, pruned)
    _, others = context.repair_images
    assert context.evaluate(repaired.model, others).accuracy >= context.evaluate(pruned.model, others).accuracy


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("chosen", [{}, {"schedule": "iterative", "rounds": 2}, {"schedule": "gradual"}], ids=str)
def test_a_run_records_accuracy_after_the_cut_after_repair_and_after_training(home, recipe, chosen):
    recipe = replace(recipe, finetune=replace(recipe.finetune, epochs=2))
    results = {}
    for repair in ("none", "least-squares", "best"):
        folder = home.create(RunSpec(recipe, "magnitude", 1, 0.7, tuple({**chosen, "repair": repair}.items())))
        assert execute(folder.path) == State.DONE
        result = results[repair] = folder.result()
        (pruned,) = [event for event in folder.events() if event["type"] == "pruned"]
        assert pruned["test_accuracy"] == result.accuracy_before_finetuning
        assert pruned.get("accuracy_after_repair") == result.accuracy_after_repair
        assert pruned.get("repair_applied") == result.repair_applied
    assert results["none"].accuracy_after_repair is None
    assert results["least-squares"].repair_applied == "least-squares"
    assert results["best"].accuracy_after_repair is not None
    if not chosen:  # one cut, of the same network
        assert len({result.accuracy_before_finetuning for result in results.values()}) == 1
