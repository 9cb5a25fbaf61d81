"""Whole runs by every schedule of pruning: the same budget, the sparsity that was asked for, and resuming to the bit."""

import shutil
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from core.engine import execute as execute_module
from core.engine import load_model, resnet18
from core.engine import train as train_module
from core.engine.execute import execute
from core.engine.networks.layers import example_of, prunable, prunable_count
from core.engine.pruning import prune
from core.engine.pruning.shrink import shrink
from core.engine.recovery.repair import Repaired
from core.engine.training_state import TrainingState
from core.runs.folder import Home, State
from core.spec.methods import METHODS
from core.spec.spec import RunSpec
from core.spec.training_plan import make_training_plan
from tests.engine.conv_graph import sizes_of

pytestmark = pytest.mark.usefixtures("impatient")

ITERATIVE, GRADUAL = {"schedule": "iterative", "rounds": 2}, {"schedule": "gradual"}
# Two rounds of two epochs; gradual cuts in the first two of four epochs.
SCHEDULES = [
    ("magnitude", ITERATIVE),
    ("magnitude", {**ITERATIVE, "allocation": "lamp", "retraining": "lr-rewinding"}),
    ("magnitude", GRADUAL),
    ("magnitude", {**GRADUAL, "allocation": "erk"}),
    ("magnitude", {**GRADUAL, "allocation": "uniform"}),
    ("lottery_ticket", ITERATIVE),
    ("lottery_ticket", {**ITERATIVE, "rewind_epoch": 1}),
]

CHANNEL_SCHEDULES = [
    {**ITERATIVE, "allocation": "cost", "repair": "best"},
    {**GRADUAL, "removal": "fold"},
]


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the engine catches it."""


def spec_of(recipe, method, chosen, sparsity=0.7, epochs=4):
    return RunSpec(
        replace(recipe, finetune=replace(recipe.finetune, epochs=epochs)), method, 1, sparsity, tuple(chosen.items())
    )


@pytest.fixture
def cuts(monkeypatch):
    """What each cut was given and made: (weights before, sparsity, masks before, masks after, weights after)."""
    seen = []

    def spy(method, model, sparsity, context):
        before = {name: weight.detach().clone() for name, weight in prunable(model).items()}
        pruned = prune(method, model, sparsity, context)
        after = {name: weight.detach().clone() for name, weight in prunable(pruned.model).items()}
        seen.append((before, sparsity, context.masks, pruned.masks, after))
        return pruned

    monkeypatch.setattr(execute_module, "prune", spy)
    return seen


@pytest.mark.parametrize(
    "case",
    [
        *((name, {}, 2) for name in METHODS),
        *((*SCHEDULES[place], 4) for place in (1, 2, 6)),
        ("structured", {"teacher": "dense"}, 2),  # with everything new in the recipe
        *(("structured", chosen, 4) for chosen in CHANNEL_SCHEDULES),
    ],
    ids=str,
)
def test_a_run_that_is_killed_after_every_epoch_ends_like_one_that_was_not(home, recipe, monkeypatch, case):
    method, chosen, epochs = case
    if "teacher" in chosen:
        new = {"decay": "triangular", "nesterov": True, "label_smoothing": 0.1, "cutout": 8}
        recipe = replace(recipe, finetune=replace(recipe.finetune, **new), budget="compute")
    spec = spec_of(recipe, method, chosen, 0.9 if "teacher" in chosen else 0.7, epochs)
    whole, cut = Home(home.path), Home(home.path.parent / "cut")
    shutil.copytree(home.path, cut.path)
    assert execute(whole.create(spec).path) == State.DONE
    real, folder = train_module.train_epoch, cut.create(spec)
    if spec.recipe.budget == "compute":
        nominal, epochs = epochs, whole.run(spec.run_id).result().schedule.epochs
        assert epochs > nominal
    kills = list(range(1, epochs))
    for last in kills:

        def kill(*args, last=last, **kwargs):
            if kwargs["epoch"] == last:
                raise Killed
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(train_module, "train_epoch", kill)
            with pytest.raises(Killed):
                execute(folder.path)
        assert folder.state() == State.INTERRUPTED
    assert execute(folder.path) == State.DONE
    resumed = [event["epoch"] for event in folder.events() if event["type"] == "resumed"]
    assert resumed == kills
    # A cut that a kill has undone is made again, and noted again: just the same.
    noted = {event["test_accuracy"] for event in folder.events() if event["type"] == "pruned"}
    assert noted == {folder.result().accuracy_before_finetuning}
    expected, found = (load_model(h.run(spec.run_id).model_path).state_dict() for h in (whole, cut))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    for key in (
        "test_accuracy",
        "accuracy_before_finetuning",
        "accuracy_after_repair",
        "repair_applied",
        "test_loss",
        "params_nonzero",
        "model_size_mb",
    ):
        assert getattr(whole.run(spec.run_id).result(), key) == getattr(folder.result(), key)


@pytest.mark.parametrize(("method", "chosen"), SCHEDULES, ids=str)
def test_a_weight_once_removed_never_returns_and_each_cut_is_exact(home, recipe, cuts, method, chosen):
    spec = spec_of(recipe, method, chosen, 0.85)
    folder = home.create(spec)
    assert execute(folder.path) == State.DONE
    asked = list(make_training_plan(spec).cuts(5).values())  # 80 pictures are five batches of 16
    assert [sparsity for _, sparsity, *_ in cuts] == asked
    for before, sparsity, held, masks, after in cuts:
        n = sum(mask.numel() for mask in masks.values())
        assert sum(int((~mask).sum()) for mask in masks.values()) == round(sparsity * n)
        for name, mask in masks.items():
            assert not after[name][~mask].any()
            if held:
                assert not before[name][~held[name]].any()  # the training in between has kept them at zero
                assert not (mask & ~held[name]).any()
    for (*_, masks, _), (_, _, held, _, _) in pairwise(cuts):
        assert all(torch.equal(masks[name], held[name]) for name in masks)
    found = prunable(load_model(folder.model_path))
    assert all(not found[name][~mask].any() for name, mask in cuts[-1][3].items())
    assert folder.result().reached_sparsity == pytest.approx(0.85, abs=1e-4)


@pytest.mark.parametrize("chosen", [{}, ITERATIVE, GRADUAL], ids=str)
def test_every_schedule_trains_for_the_same_epochs_and_is_noted_after_its_last_cut(home, recipe, cuts, chosen):
    folder = home.create(spec_of(recipe, "magnitude", chosen))
    assert execute(folder.path) == State.DONE
    events = [event for event in folder.events() if event["type"] in ("pruned", "epoch")]
    assert [event["epoch"] for event in events if event["type"] == "epoch"] == [1, 2, 3, 4]
    (pruned,) = [event for event in events if event["type"] == "pruned"]
    # Gradual cuts end with the first half of the steps: 10 of 20, before the first step of the third epoch.
    assert events.index(pruned) == {"one-shot": 0, "iterative": 2, "gradual": 2}[chosen.get("schedule", "one-shot")]
    assert pruned["reached_sparsity"] == pytest.approx(0.7, abs=1e-4)
    assert pruned["test_accuracy"] == folder.result().accuracy_before_finetuning
    assert "dead_layers" not in pruned
    assert len(cuts) == {"one-shot": 1, "iterative": 2, "gradual": 10}[chosen.get("schedule", "one-shot")]


@pytest.mark.parametrize("epoch", [0, 1])
def test_each_round_of_a_ticket_finds_new_masks_on_trained_weights_and_rewinds_again(home, recipe, cuts, epoch):
    spec = spec_of(recipe, "lottery_ticket", {**ITERATIVE, "rewind_epoch": epoch})
    execute(home.create(spec).path)
    earlier = prunable(load_model(home.run(spec.dense.run_id).path / f"weights-{epoch:04d}.safetensors"))
    dense = prunable(load_model(home.run(spec.dense.run_id).model_path))
    assert all(torch.equal(cuts[0][0][name], dense[name]) for name in dense)
    assert not any(torch.equal(cuts[1][0][name], cuts[0][4][name]) for name in dense)  # trained since
    for before, _, _, masks, after in cuts:
        for name, mask in masks.items():
            assert torch.equal(after[name], earlier[name].detach() * mask)
        kept = torch.cat([before[name][mask].abs() for name, mask in masks.items()])
        gone = torch.cat([before[name][~mask].abs() for name, mask in masks.items()])
        assert gone.max() <= kept.min()


def test_a_gradual_cut_goes_on_with_the_optimizer_and_a_round_begins_without_momentum(recipe):
    def halves(model, sparsity, masks):
        return prune("random", model, sparsity, FakeContext)

    class FakeContext:
        seed = 1

    for chosen, survives in ((GRADUAL, True), (ITERATIVE, False)):
        plan = make_training_plan(spec_of(recipe, "magnitude", chosen))
        state = TrainingState(resnet18(4, 2, seed=0), plan, 5, torch.device("cpu"), halves)
        state.start_epoch(0)
        optimizer, weight = state.optimizer, state.model.conv1.weight
        for epoch in range(1, 3):
            state.start_epoch(epoch)
            for step in range(5):
                state.start_step(epoch, step)
        assert (state.optimizer is optimizer) == survives
        assert (state.model.conv1.weight is weight) == survives
        assert state.optimizer.param_groups[0]["params"][0] is state.model.conv1.weight
        assert not (state.model.conv1.weight != 0)[~state.weight_masks.masks["conv1.weight"]].any()


@pytest.mark.parametrize("chosen", [{**ITERATIVE, "allocation": "cost"}, {**GRADUAL, "floor": 0.2}], ids=str)
def test_several_structured_cuts_reach_the_sparsity_with_channels_of_the_dense_network(recipe, model, context, chosen):
    spec = spec_of(recipe, "structured", chosen)
    given, networks, optimizers = context("structured", **chosen), [model], []

    def cut(network, sparsity, masks):
        return prune("structured", network, sparsity, replace(given, dense=model))

    plan = make_training_plan(spec)
    state = TrainingState(model, plan, 5, torch.device("cpu"), cut)
    for epoch in range(plan.epochs):
        state.start_epoch(epoch)
        for step in range(5):
            state.start_step(epoch, step)  # no cut is left for the middle of an epoch
        assert state.optimizer.param_groups[0]["params"][0] is state.model.conv1.weight
        if state.model.shape != networks[-1].shape:
            networks.append(state.model)
            optimizers.append(state.optimizer)
    cuts = list(plan.cuts(5).values())
    reached = [1 - prunable_count(network) / prunable_count(model) for network in networks[1:]]
    assert reached == pytest.approx(cuts, abs=0.01)
    assert len(set(map(id, optimizers))) == len(cuts) == {"iterative": 2, "gradual": 3}[chosen["schedule"]]
    left = sizes_of(networks[-1])
    for group, channels in sizes_of(model).items():  # a floor is a share of the dense network's channels
        assert left[group] >= chosen.get("floor", 0) * channels
    expected = shrink(model, state.kept, example_of(model)).state_dict()
    assert len(state.kept["conv1"]) < len(model.conv1.weight)
    assert all(torch.equal(weight, expected[name]) for name, weight in state.model.state_dict().items())


def test_the_learning_rate_of_every_step_is_that_of_the_plan(home, recipe, monkeypatch):
    spec = spec_of(recipe, "magnitude", {**ITERATIVE, "retraining": "lr-rewinding"})
    used = []
    real = torch.optim.SGD.step

    def step(self, *args, **kwargs):
        used.append(self.param_groups[0]["lr"])
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    execute(home.create(spec).path)
    plan = make_training_plan(spec)
    assert used == [plan.learning_rate(epoch, step, 5) for epoch in range(4) for step in range(5)]


def test_a_layer_that_died_is_named_in_the_journal_and_in_the_result(home, recipe):
    folder = home.create(spec_of(recipe, "random", {}, sparsity=0.999, epochs=1))
    assert execute(folder.path) == State.DONE
    (pruned,) = [event for event in folder.events() if event["type"] == "pruned"]
    assert {*pruned["dead_layers"]} <= {*folder.result().dead_layers} != set()  # and what they cut off


@pytest.mark.parametrize(("chosen", "repairs"), [({}, 1), (ITERATIVE, 2), (GRADUAL, 1)])
def test_every_cut_is_repaired_but_of_gradual_ones_the_last_alone(recipe, chosen, repairs):
    seen = []

    def cut(model, sparsity, masks):
        return prune("random_filters", model, sparsity, FakeContext)

    def repair(uncut, pruned):
        seen.append(pruned)
        return Repaired(pruned.model, "none")

    class FakeContext:
        seed = 1

    plan = make_training_plan(spec_of(recipe, "structured", chosen))
    state = TrainingState(resnet18(4, 2, seed=0), plan, 5, torch.device("cpu"), cut, repair=repair)
    for epoch in range(plan.epochs):
        state.start_epoch(epoch)
    assert len(seen) == repairs
    assert state.repair_applied == "none"
