"""Claims that hold for every method of the registry, and each method against a reference."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils import prune as torch_prune

from core.engine import lottery_ticket_prune, magnitude_prune_global, resnet18, structured_prune_filters
from core.engine.metrics import count
from core.engine.pruning import prune
from core.engine.pruning.base import lowest_masks, prunable
from core.engine.pruning.structured import choose_channels, shrink
from core.study.checks import InputError
from core.study.methods import METHODS

SPARSITIES = (0.3, 0.5, 0.7, 0.9, 0.95)
UNSTRUCTURED = [name for name, method in METHODS.items() if method.kind == "unstructured"]


def variants():
    """Every method with every combination of the choices of its settings."""
    for name, method in METHODS.items():
        options = [[(s.name, choice) for choice in s.choices or (s.default,)] for s in method.settings]
        yield from ((name, dict(pairs)) for pairs in itertools.product(*options))


@pytest.mark.parametrize(("method", "chosen"), list(variants()), ids=str)
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_the_sparsity_that_was_asked_for_is_reached(model, context, method, chosen, sparsity):
    pruned = prune(method, model, sparsity, context(method, **chosen))
    tolerance = 0.001 if METHODS[method].kind == "unstructured" else 0.01
    assert count(pruned.model, model.shape).reached_sparsity == pytest.approx(sparsity, abs=tolerance)


@pytest.mark.parametrize("method", UNSTRUCTURED)
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_unstructured_sparsity_is_exact_to_one_weight(model, context, method, sparsity):
    masks = prune(method, model, sparsity, context(method)).masks
    n = sum(mask.numel() for mask in masks.values())
    assert sum(int((~mask).sum()) for mask in masks.values()) == round(sparsity * n)


@pytest.mark.parametrize("method", [m for m in METHODS if not METHODS[m].restarts])
def test_sparsity_0_changes_nothing_to_the_bit(model, context, method):
    pruned = prune(method, model, 0.0, context(method)).model
    for name, tensor in model.state_dict().items():
        assert torch.equal(pruned.state_dict()[name], tensor), name


@pytest.mark.parametrize("method", METHODS)
def test_the_network_that_is_pruned_stays_as_it_is(model, context, method):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    prune(method, model, 0.7, context(method))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_prunes_the_same(model, context, method):
    first, second = (prune(method, model, 0.7, context(method)).model.state_dict() for _ in range(2))
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


@pytest.mark.parametrize("criterion", ["l1", "l2"])
@pytest.mark.parametrize("allocation", ["uniform", "global"])
@pytest.mark.parametrize("sparsity", [0.3, 0.7, 0.95])
def test_the_smaller_network_computes_what_the_one_with_silenced_channels_does(
    model, pictures, criterion, allocation, sparsity
):
    kept = choose_channels(model, sparsity, criterion=criterion, allocation=allocation)
    smaller = shrink(model, kept)
    silenced = resnet18(8)
    silenced.load_state_dict(model.state_dict())
    with torch.no_grad():
        _silence(silenced, kept)
        difference = (smaller(pictures) - silenced.eval()(pictures)).abs().max()
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in model.parameters())
    assert difference < 1e-4


def _silence(model, kept):
    """Make the channels that are not in ``kept`` output zero: no weight, no BatchNorm scale and no shift."""
    from core.engine.models.resnet import wiring  # noqa: PLC0415

    for wire in wiring():
        gone = torch.ones(model.shape.groups[wire.target], dtype=torch.bool)
        gone[kept[wire.target]] = False
        norm = model.get_submodule(wire.norm)
        model.get_parameter(f"{wire.conv}.weight")[gone] = 0
        norm.weight[gone] = 0
        norm.bias[gone] = 0


def test_the_least_important_filters_go(model):
    kept = choose_channels(model, 0.5)
    norms = model.get_parameter("layer3.1.conv1.weight").detach().flatten(1).abs().sum(1)
    stays = torch.zeros(len(norms), dtype=torch.bool)
    stays[kept["layer3.1"]] = True
    assert norms[~stays].max() <= norms[stays].min()


def test_uniform_allocation_takes_the_same_share_of_every_layer(model):
    shape = structured_prune_filters(model, 0.75).shape
    for group, channels in shape.groups.items():
        assert channels / model.shape.groups[group] == pytest.approx(0.5, abs=1 / model.shape.groups[group])


def test_no_layer_loses_its_last_filter(model):
    assert min(structured_prune_filters(model, 0.999, allocation="global").shape.groups.values()) >= 1
