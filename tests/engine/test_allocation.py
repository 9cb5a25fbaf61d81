"""How sparsity is spread over layers, against the definitions in the papers."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.engine import resnet18
from core.engine.networks.layers import prunable, prunable_count
from core.engine.pruning.allocation import apportion, erk_densities, lamp_scores
from core.engine.pruning.magnitude import magnitude_masks
from core.spec.errors import InputError
from core.spec.methods import METHODS, setting_function

ALLOCATIONS = METHODS["magnitude"].setting("allocation").choices
SPARSITIES = (0.1, 0.5, 0.9, 0.95, 0.99)


def gone(masks):
    return {name: int((~mask).sum()) for name, mask in masks.items()}


def test_an_unknown_allocation_is_refused(model):
    with pytest.raises(InputError, match="global, uniform, erk, lamp"):
        magnitude_masks(model, 0.5, "fair")


@pytest.mark.parametrize("allocation", [name for name in ALLOCATIONS if not name.startswith("nm")])
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_the_smallest_weights_of_each_layer_go(model, allocation, sparsity):
    masks = magnitude_masks(model, sparsity, allocation)
    for name, weight in prunable(model).items():
        size = weight.detach().abs()
        kept, lost = size[masks[name]], size[~masks[name]]
        assert not len(kept) or not len(lost) or lost.max() <= kept.min()


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_uniform_takes_the_same_share_of_each_layer(model, sparsity):
    for name, count in gone(magnitude_masks(model, sparsity, "uniform")).items():
        assert abs(count - sparsity * prunable(model)[name].numel()) < 1


@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize("width", [8, 64])
def test_erk_densities_follow_the_formula_and_add_up(width, sparsity):
    weights = prunable(resnet18(width, seed=0))
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    densities = erk_densities(shapes, sparsity)
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    assert sum(densities[n] * sizes[n] for n in sizes) == pytest.approx((1 - sparsity) * sum(sizes.values()))
    factors = {name: densities[name] * sizes[name] / sum(shape) for name, shape in shapes.items()}
    sparse = {name for name in sizes if densities[name] < 1}
    assert sparse
    factor = factors[next(iter(sparse))]
    for name in sizes:
        assert 0 < densities[name] <= 1
        if name in sparse:
            assert factors[name] == pytest.approx(factor)
        else:
            assert factors[name] <= factor * (1 + 1e-9)  # it would need more than it has


def test_erk_counts_are_its_densities_to_one_weight(model):
    weights = prunable(model)
    densities = erk_densities({name: tuple(weight.shape) for name, weight in weights.items()}, 0.9)
    for name, count in gone(magnitude_masks(model, 0.9, "erk")).items():
        assert abs(count - (1 - densities[name]) * weights[name].numel()) < 1.001
    assert densities["conv1.weight"] == 1  # few weights: all of them are kept
    assert min(densities, key=densities.get).startswith("layer4")


@pytest.mark.parametrize(("allocation", "left", "of"), [("nm-2:4", 2, 4), ("nm-4:8", 4, 8)])
def test_no_group_of_weights_along_the_inputs_keeps_more_than_the_pattern_allows(model, allocation, left, of):
    weights, masks = prunable(model), {}
    for sparsity in (0.3, 0.5, 0.9):
        masks = magnitude_masks(model, sparsity, allocation, masks)
        assert sum(int((~mask).sum()) for mask in masks.values()) == round(sparsity * prunable_count(model))
        for name, mask in masks.items():
            groups = mask.movedim(1, -1)[..., : mask.shape[1] // of * of].unflatten(-1, (-1, of))
            if sparsity < 0.5:
                ranks = weights[name].abs().movedim(1, -1)[..., : groups[..., 0].shape[-1] * of].unflatten(-1, (-1, of))
                smallest = ranks.argsort(-1).argsort(-1) < of - left
                assert (smallest | groups).all()
            else:
                assert (groups.sum(-1) <= left).all()


def test_lamp_scores_are_those_of_the_definition():
    magnitude = torch.tensor([[3.0, 0.0], [1.0, 2.0]])
    expected = torch.tensor([[1.0, 0.0], [1 / 14, 4 / 13]], dtype=torch.float64)
    assert torch.allclose(lamp_scores(magnitude), expected)
    assert not lamp_scores(torch.zeros(3)).any()


@pytest.mark.parametrize("sparsity", [0.9, 0.99, 0.999])
def test_lamp_empties_no_layer_before_the_others(model, sparsity):
    masks = magnitude_masks(model, sparsity, "lamp")
    assert all(mask.any() for mask in masks.values())


LAYERS = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=12).map(lambda values: torch.tensor(values).float()[:, None]),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(layers=LAYERS, allocation=st.sampled_from(ALLOCATIONS), data=st.data())
def test_every_allocation_is_exact_and_never_gives_back(layers, allocation, data):
    magnitudes = {str(place): layer for place, layer in enumerate(layers)}
    n, held = sum(layer.numel() for layer in layers), {}
    for sparsity in sorted(data.draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))):
        masks = setting_function("magnitude", "allocation", allocation)(magnitudes, sparsity, held)
        assert sum(gone(masks).values()) == round(sparsity * n)
        assert all(not (masks[name] & ~mask).any() for name, mask in held.items())
        held = masks


@settings(max_examples=200, deadline=None)
@given(
    bounds=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted), min_size=1, max_size=8),
    data=st.data(),
)
def test_apportioned_counts_add_up_within_their_bounds(bounds, data):
    least, most = zip(*bounds, strict=True)
    quotas = [data.draw(st.floats(0, 20)) for _ in bounds]
    total = data.draw(st.integers(sum(least), sum(most)))
    counts = apportion(total, quotas, least, most)
    assert sum(counts) == total
    assert all(low <= count <= high for low, count, high in zip(least, counts, most, strict=True))


@settings(max_examples=200, deadline=None)
@given(quotas=st.lists(st.floats(0, 20), min_size=1, max_size=8))
def test_without_bounds_in_the_way_each_count_is_its_quota_rounded_up_or_down(quotas):
    total = round(sum(quotas))
    assume(abs(total - sum(quotas)) < 0.5)
    counts = apportion(total, quotas, [0] * len(quotas), [30] * len(quotas))
    assert all(abs(count - quota) <= 1 for count, quota in zip(counts, quotas, strict=True))
    up = [q - math.floor(q) for q, c in zip(quotas, counts, strict=True) if c > math.floor(q)]
    down = [q - math.floor(q) for q, c in zip(quotas, counts, strict=True) if c == math.floor(q)]
    assert not up or not down or min(up) >= max(down)


def test_equal_remainders_go_to_the_first():
    assert apportion(2, [0.5, 0.5, 0.5, 0.5], [0] * 4, [9] * 4) == [1, 1, 0, 0]


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_what_is_gone_stays_gone_whatever_it_scores_now(allocation):
    """Among equal scores the first would go; those that went before are the last ones here."""
    scores = {"a": torch.ones(4, 5), "b": torch.ones(4, 5)}
    held = {name: torch.arange(20).view(4, 5) < 14 for name in scores}
    masks = setting_function("magnitude", "allocation", allocation)(scores, 0.5, held)
    assert sum(int((~mask).sum()) for mask in masks.values()) == 20
    for name, mask in masks.items():
        assert not (mask & ~held[name]).any()
