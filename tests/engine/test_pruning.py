"""Claims that hold for every method of the registry, and each method against a reference."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils import prune as torch_prune

from core.engine import lottery_ticket_prune, magnitude_prune_global, resnet18
from core.engine.counts import count
from core.engine.networks.layers import prunable, prunable_count
from core.engine.pruning import prune
from core.engine.pruning.base import lowest_masks
from core.spec.errors import InputError
from core.spec.methods import METHODS
from tests.engine.registry import UNSTRUCTURED, variants

SPARSITIES = (0.3, 0.5, 0.7, 0.9, 0.95)
# The methods that a run may call several times, each with the masks of the call before.
REPEATED = [
    (name, chosen)
    for name, chosen in variants(UNSTRUCTURED)
    if "rounds" not in chosen and any(setting.name == "schedule" for setting in METHODS[name].settings)
]


@pytest.fixture(autouse=True)
def quick_synflow(monkeypatch):
    monkeypatch.setattr("core.engine.pruning.synflow.ROUNDS", 3)


@pytest.fixture(scope="module")
def alike():
    """A network whose prunable weights all have the same magnitude."""
    network = resnet18(8, seed=0)
    with torch.no_grad():
        for weight in prunable(network).values():
            weight.copy_(torch.where(weight < 0, -0.1, 0.1))
    return network


def removed(masks):
    return sum(int((~mask).sum()) for mask in masks.values())


@pytest.mark.parametrize(("method", "chosen"), list(variants()), ids=str)
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_the_sparsity_that_was_asked_for_is_reached(model, context, method, chosen, sparsity):
    pruned = prune(method, model, sparsity, context(method, **chosen))
    reached = count(pruned.model, model).reached_sparsity
    if METHODS[method].kind == "unstructured":
        assert removed(pruned.masks) == round(sparsity * prunable_count(model))
        assert reached == pytest.approx(sparsity, abs=1e-4)
    elif not chosen.keys() & {"round_to", "floor", "target"} and "latency" not in chosen.values():  # in the way of it
        assert reached == pytest.approx(sparsity, abs=0.01)
        assert not pruned.masks


@pytest.mark.parametrize(("method", "chosen"), list(variants(UNSTRUCTURED)), ids=str)
@pytest.mark.parametrize("sparsity", [0.0, 1e-6, 1 / 3, 0.5, 0.999999])
def test_with_equal_magnitudes_too_the_number_removed_is_exact_to_one(alike, context, method, chosen, sparsity):
    pruned = prune(method, alike, sparsity, context(method, **chosen))
    assert list(pruned.masks) == list(prunable(alike))
    assert removed(pruned.masks) == round(sparsity * prunable_count(alike))
    for name, weight in prunable(pruned.model).items():
        assert not weight[~pruned.masks[name]].any()


@pytest.mark.parametrize(("method", "chosen"), list(variants()), ids=str)
def test_sparsity_0_changes_nothing_to_the_bit(model, context, method, chosen):
    given = context(method, **chosen)
    pruned = prune(method, model, 0.0, given).model.state_dict()
    # A method that starts over does so from the untrained weights, those of its own or new ones.
    restarts = METHODS[method].restarts
    fresh = method in ("reinitialised_ticket", "from_scratch")
    expected = given.weights_at(0) if restarts and not fresh else model.state_dict()
    for name, tensor in expected.items():
        assert pruned[name].shape == tensor.shape
        assert fresh or torch.equal(pruned[name], tensor), name
    assert all(mask.all() for mask in prune(method, model, 0.0, given).masks.values())


@pytest.mark.parametrize(("method", "chosen"), REPEATED, ids=str)
def test_what_an_earlier_cut_removed_stays_removed(model, alike, context, method, chosen):
    """Even where weights that are left are as small as those that are gone."""
    for start in (model, alike):
        network, given, masks = start, context(method, **chosen), {}
        for sparsity in (0.3, 0.3001, 0.62, 0.9, 0.901):
            pruned = prune(method, network, sparsity, replace(given, masks=masks))
            assert removed(pruned.masks) == round(sparsity * prunable_count(network))
            assert all(not (pruned.masks[name] & ~mask).any() for name, mask in masks.items())
            masks, network = pruned.masks, pruned.model
            with torch.no_grad():
                for name, weight in prunable(network).items():
                    weight[masks[name] & (torch.arange(weight.numel()).view(weight.shape) % 3 == 0)] = 0.0


@pytest.mark.parametrize(("method", "chosen"), list(variants()), ids=str)
def test_the_network_that_is_pruned_stays_as_it_is(model, context, method, chosen):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    prune(method, model, 0.7, context(method, **chosen))
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(("method", "chosen"), list(variants()), ids=str)
def test_the_same_seed_prunes_the_same(model, context, method, chosen):
    first, second = (prune(method, model, 0.7, context(method, **chosen)).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.5, float("nan"), float("inf"), "0.5", True])
def test_a_sparsity_outside_0_to_1_is_a_value_error(model, context, method, sparsity):
    with pytest.raises(ValueError, match="sparsity"):
        prune(method, model, sparsity, context(method))


def test_an_unknown_method_is_refused_with_the_ones_there_are(model, context):
    with pytest.raises(InputError, match="magnitude, structured, lottery_ticket"):
        prune("magic", model, 0.5, context("magnitude"))


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_magnitude_masks_are_those_of_torch(model, sparsity):
    ours = magnitude_prune_global(model, sparsity)
    reference = resnet18(8)
    reference.load_state_dict(model.state_dict())
    targets = [(m, "weight") for m in reference.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    torch_prune.global_unstructured(targets, torch_prune.L1Unstructured, amount=sparsity)
    for name, weight in prunable(ours).items():
        expected = reference.get_submodule(name.removesuffix(".weight")).weight
        assert torch.equal(weight, expected), name


def test_random_masks_have_nothing_to_do_with_the_initial_weights_of_the_same_seed(context):
    """Both are drawn from the run's seed; drawn from the same stream they would be the same numbers."""
    for name, mask in prune("random", resnet18(8, seed=42), 0.5, context("random", seed=42)).masks.items():
        weight = prunable(resnet18(8, seed=42))[name]
        pair = torch.stack([weight.detach().flatten(), mask.flatten().float()])
        assert abs(torch.corrcoef(pair)[0, 1]) < 5 / mask.numel() ** 0.5, name


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=30), min_size=1, max_size=4),
    sparsity=st.floats(0, 1, exclude_max=True),
)
def test_with_equal_scores_too_the_count_is_exact_and_no_kept_score_is_lower(scores, sparsity):
    tensors = {str(i): torch.tensor(values, dtype=torch.float32) for i, values in enumerate(scores)}
    masks = lowest_masks(tensors, sparsity)
    kept = [float(v) for name in tensors for v in tensors[name][masks[name]]]
    gone = [float(v) for name in tensors for v in tensors[name][~masks[name]]]
    assert len(gone) == round(sparsity * (len(kept) + len(gone)))
    assert not kept or not gone or max(gone) <= min(kept)


def test_a_ticket_has_the_mask_of_the_trained_net_and_the_values_of_the_earlier_one(model):
    earlier = resnet18(8, seed=5)
    ticket = lottery_ticket_prune(model, earlier.state_dict(), 0.8)
    trained = prunable(magnitude_prune_global(model, 0.8))
    for name, weight in prunable(ticket).items():
        kept = trained[name] != 0
        assert torch.equal(weight[kept], prunable(earlier)[name][kept])
        assert not weight[~kept].any()
