"""Structured pruning: what is cut computes nothing any more, and as much is cut as was asked for."""

import math
from copy import deepcopy
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from core.engine import resnet18, structured_prune_filters
from core.engine.counts import count, dead_layers, layers, macs_per_layer
from core.engine.networks.channels import channels_of
from core.engine.networks.layers import example_of, prunable_count
from core.engine.pruning import prune
from core.engine.pruning.channel_allocation import Costs, Target, allocate
from core.engine.pruning.channel_importance import taylor
from core.engine.pruning.shrink import shrink
from core.engine.pruning.structured import choose_channels
from core.spec.errors import InputError
from core.spec.methods import METHODS, setting_function
from tests.engine.conv_graph import conv_graph, sizes_of

CHOICES = {setting.name: setting.choices for setting in METHODS["structured"].settings}
CRITERIA = CHOICES["criterion"]
ALLOCATIONS = [name for name in CHOICES["allocation"] if name != "latency"]  # which test_layer_times is about
STRUCTURED = [name for name, method in METHODS.items() if method.kind == "structured"]
SPARSITIES = (0.3, 0.5, 0.7, 0.9, 0.95)


@cache
def network(width):
    """A network whose BatchNorm is not at its initial values; not to be changed by a test."""
    made = resnet18(width, seed=width)
    generator = torch.Generator().manual_seed(width)
    with torch.no_grad():
        for name, tensor in made.state_dict().items():
            if "bn" in name or "downsample.1" in name:
                tensor.copy_(tensor + 0.3 * torch.rand(tensor.shape, generator=generator))
    return made.eval()


@cache
def sample(n=32):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(n, 3, 32, 32, generator=generator), torch.arange(n) % 10


def choose(model, sparsity, **settings):
    return choose_channels(model, sparsity, example_of(model), **settings)


def share_equally(model, importance, sparsity, allocation):
    """The channels that stay where channels of the same group have the same importance."""
    example = example_of(model)
    costs = Costs.of(model, channels_of(model, example), example)
    return allocate(costs, importance, Target.of(sparsity, model, example), allocation=allocation)


def importance_of(model, criterion, sample=lambda n: sample()):
    measure = setting_function("structured", "criterion", criterion)
    return measure(model, channels_of(model, example_of(model)), sample)


def prunable_left(model, left):
    """The prunable weights of the network whose groups have so many channels ``left``."""
    return prunable_count(shrink(model, {group: torch.arange(n) for group, n in left.items()}, example_of(model)))


def reached(model, kept):
    return 1 - prunable_count(shrink(model, kept, example_of(model))) / prunable_count(model)


def silence(model, kept):
    """A copy whose channels that are not in ``kept`` output zero: no weight, no BatchNorm scale and no shift."""
    silenced = deepcopy(model)
    with torch.no_grad():
        for edge in conv_graph():
            gone = torch.ones(sizes_of(model)[edge.target], dtype=torch.bool)
            gone[kept[edge.target]] = False
            norm = silenced.get_submodule(edge.norm)
            silenced.get_parameter(f"{edge.conv}.weight")[gone] = 0
            norm.weight[gone] = 0
            norm.bias[gone] = 0
    return silenced


@pytest.mark.parametrize("width", [8, 12])
@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("sparsity", [0.3, 0.9])
def test_the_smaller_network_computes_what_the_one_with_silenced_channels_does(
    pictures, width, allocation, criterion, sparsity
):
    model = network(width)
    kept = choose(model, sparsity, criterion=criterion, allocation=allocation, sample=lambda n: sample())
    smaller = shrink(model, kept, pictures)
    with torch.no_grad():
        difference = (smaller(pictures) - silence(model, kept)(pictures)).abs().max()
    assert prunable_count(smaller) < prunable_count(model)
    assert difference < 1e-4


@settings(max_examples=20, deadline=None)
@given(
    width=st.sampled_from([8, 10, 16, 24, 32]),
    sparsity=st.floats(0.3, 0.95),
    allocation=st.sampled_from(ALLOCATIONS),
    criterion=st.sampled_from(["l1", "l2", "bn_scale"]),
)
def test_the_sparsity_that_was_asked_for_is_reached_within_a_point(width, sparsity, allocation, criterion):
    model = network(width)
    kept = choose(model, sparsity, criterion=criterion, allocation=allocation)
    assert reached(model, kept) == pytest.approx(sparsity, abs=0.01)


@pytest.mark.parametrize("method", ["random_filters", "from_scratch"])
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_the_baselines_reach_the_sparsity_too(model, context, method, sparsity):
    pruned = prune(method, model, sparsity, context(method)).model
    assert count(pruned, model).reached_sparsity == pytest.approx(sparsity, abs=0.01)


@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize("round_to", CHOICES["round_to"])
@pytest.mark.parametrize("floor", CHOICES["floor"])
def test_sparsity_0_changes_nothing_to_the_bit(allocation, round_to, floor):
    model = network(12)
    same = structured_prune_filters(model, 0.0, allocation=allocation, round_to=round_to, floor=floor)
    for name, tensor in model.state_dict().items():
        assert torch.equal(same.state_dict()[name], tensor), name


@settings(max_examples=40, deadline=None)
@given(
    width=st.sampled_from([4, 8, 12, 16, 32]),
    sparsity=st.floats(0, 1, exclude_max=True),
    allocation=st.sampled_from(ALLOCATIONS),
    round_to=st.sampled_from([1, 4, 8]),
    floor=st.floats(0, 1),
)
def test_every_layer_keeps_its_floor_and_a_whole_multiple(width, sparsity, allocation, round_to, floor):
    model = network(width)
    kept = choose(model, sparsity, allocation=allocation, round_to=round_to, floor=floor)
    for group, channels in sizes_of(model).items():
        left = len(kept[group])
        assert left >= max(1, math.ceil(floor * channels - 1e-9))
        assert left == channels or left % round_to == 0


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_a_sparsity_that_floor_or_rounding_forbid_is_approached_as_far_as_they_allow(allocation):
    model = network(16)
    floored = choose(model, 0.99, allocation=allocation, floor=0.2)
    rounded = choose(model, 0.999, allocation=allocation, round_to=8)
    for group, channels in sizes_of(model).items():
        assert len(floored[group]) == math.ceil(channels / 5)
        assert len(rounded[group]) == 8


@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_rounded_to_8_no_other_step_of_one_layer_would_come_nearer(allocation, sparsity):
    model = network(16)
    chosen = choose(model, sparsity, allocation=allocation, round_to=8)
    left = {group: len(index) for group, index in chosen.items()}

    def distance(groups):
        return abs(1 - prunable_left(model, groups) / prunable_count(model) - sparsity)

    if distance(left) > 0.005:
        assert all(distance(left) <= distance(left | {group: n - 8}) for group, n in left.items() if n > 8)


@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_scores_are_no_reason_to_prune_less_or_to_lose_a_layer(allocation, value):
    model = network(8)
    importance = {group: torch.full((channels,), value) for group, channels in sizes_of(model).items()}
    kept = share_equally(model, importance, 0.7, allocation)
    assert reached(model, kept) == pytest.approx(0.7, abs=0.01)
    assert min(len(index) for index in kept.values()) >= 1


@pytest.mark.parametrize("method", STRUCTURED)
@pytest.mark.parametrize("sparsity", [0.9, 0.999])
def test_no_layer_dies(context, pictures, method, sparsity):
    model = network(8)
    for allocation in ALLOCATIONS if method == "structured" else [None]:
        chosen = {"allocation": allocation} if allocation else {}
        pruned = prune(method, model, sparsity, context(method, **chosen)).model
        assert dead_layers(layers(pruned, model)) == []
        assert min(sizes_of(pruned).values()) >= 1
        with torch.no_grad():
            assert pruned(pictures).isfinite().all()


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_the_same_is_cut_again_and_the_network_itself_stays_as_it_is(criterion, allocation):
    model = deepcopy(network(8)).train()
    model(sample(4)[0]).sum().backward()  # gradients of its own, and moved BatchNorm statistics
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    first, second = (
        choose(model, 0.7, criterion=criterion, allocation=allocation, sample=lambda n: sample()) for _ in range(2)
    )
    assert all(torch.equal(first[group], second[group]) for group in first)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(torch.equal(gradients[name], parameter.grad) for name, parameter in model.named_parameters())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("criterion", ["l1", "l2", "bn_scale"])
@pytest.mark.parametrize("group", ["layer3.1.conv1", "layer3.0.conv2"])
def test_the_least_important_channels_of_a_group_go(criterion, group):
    model = network(16)
    scores = importance_of(model, criterion)[group]
    stays = torch.zeros(len(scores), dtype=torch.bool)
    stays[choose(model, 0.5, criterion=criterion)[group]] = True
    assert not stays.all()
    assert scores[~stays].max() <= scores[stays].min()


@pytest.mark.parametrize("criterion", ["l1", "l2", "bn_scale"])
def test_a_channel_of_the_residual_stream_is_worth_what_all_layers_that_write_it_give(criterion):
    model = deepcopy(network(8))
    weak, strong = (
        ("conv2.weight", "downsample.0.weight") if criterion != "bn_scale" else ("bn2.weight", "downsample.1.weight")
    )
    with torch.no_grad():
        model.get_parameter(f"layer2.0.{weak}")[5] = 0
        model.get_parameter(f"layer2.0.{strong}")[5] *= 100
    assert importance_of(model, criterion)["layer2.0.conv2"].argmax() == 5


@pytest.mark.parametrize(("group", "channel"), [("conv1", 3), ("layer4.0.conv2", 11), ("layer2.0.conv1", 7)])
def test_taylor_is_the_derivative_of_each_pictures_loss_by_a_gate_on_the_channel(group, channel):
    model = deepcopy(network(8)).double()
    images, labels = sample(8)[0].double(), sample(8)[1]

    def losses(gate):
        gated = deepcopy(model)
        for edge in conv_graph():
            if edge.target == group:
                factor = torch.ones(sizes_of(model)[group], dtype=torch.float64)
                factor[channel] = gate
                gated.get_submodule(edge.norm).register_forward_hook(lambda m, i, out, f=factor: out * f[:, None, None])
        with torch.no_grad():
            return F.cross_entropy(gated(images), labels, reduction="none")

    expected = ((losses(1 + 1e-6) - losses(1 - 1e-6)) / 2e-6).abs().mean()
    scores = taylor(model, channels_of(model, images), lambda n: (images, labels))
    assert scores[group][channel] == pytest.approx(float(expected), rel=1e-3)


def test_uniform_allocation_takes_the_same_share_of_every_layer():
    full_sizes = sizes_of(network(8))
    for group, channels in sizes_of(structured_prune_filters(network(8), 0.75)).items():
        full = full_sizes[group]
        assert channels / full == pytest.approx(0.5, abs=1 / full)


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_cost_leaves_no_layer_thin_while_another_is_whole(sparsity):
    """Of channels that are all worth the same each layer keeps a fair part, and the wide residual stream most."""
    model = network(16)
    importance = {group: torch.ones(channels) for group, channels in sizes_of(model).items()}
    kept = share_equally(model, importance, sparsity, "cost")
    shares = {group: len(kept[group]) / channels for group, channels in sizes_of(model).items()}
    assert min(shares.values()) > 0.25 * (1 - sparsity)
    assert shares["layer4.0.conv2"] > shares["layer4.1.conv1"]


@pytest.mark.parametrize("width", [8, 20])
def test_what_a_channel_costs_is_what_the_network_loses_with_it(width):
    model = network(width)
    example, groups = example_of(model), sizes_of(model)
    costs = Costs.of(model, channels_of(model, example), example)
    dense_macs = sum(macs_per_layer(model).values())
    for group in groups:
        kept = {name: torch.arange(n - (name == group)) for name, n in groups.items()}
        smaller = shrink(model, kept, example)
        lost = (prunable_count(model) - prunable_count(smaller), dense_macs - sum(macs_per_layer(smaller).values()))
        assert costs.of_channel(group, groups) == lost, group


def test_taylor_needs_pictures_and_settings_that_do_not_exist_are_refused():
    model = network(8)
    for settings_, word in [
        ({"criterion": "taylor"}, "sample"),
        ({"criterion": "l3"}, "criterion"),
        ({"allocation": "magic"}, "allocation"),
        ({"round_to": 0}, "round_to"),
        ({"floor": 1.5}, "floor"),
    ]:
        with pytest.raises(InputError, match=word):
            structured_prune_filters(model, 0.5, **settings_)


def test_random_filters_follow_from_the_runs_seed_and_are_not_the_least_important(context):
    model = network(16)
    first, again, other = (
        prune("random_filters", model, 0.7, context("random_filters", seed=seed)).model for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert first.shape == other.shape
    assert not torch.equal(first.fc.weight, other.fc.weight)
    assert not torch.equal(first.fc.weight, structured_prune_filters(model, 0.7).fc.weight)


def test_from_scratch_is_the_published_shape_with_weights_of_its_own(context):
    model = resnet18(8, seed=42)  # as the dense run of seed 42 began
    fresh, again, other = (
        prune("from_scratch", model, 0.5, context("from_scratch", seed=s)).model for s in (42, 42, 7)
    )
    published = METHODS["structured"].initial_settings(as_published=True)
    assert fresh.shape == prune("structured", model, 0.5, context("structured", **published)).model.shape
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), again.parameters(), strict=True))
    assert not torch.equal(fresh.conv1.weight, other.conv1.weight)
    weight = fresh.layer3[0].conv2.weight.detach()
    assert weight.std() == pytest.approx(
        math.sqrt(2 / (9 * weight.shape[0])), rel=0.1
    )  # He initialisation of its shape
    whole = prune("from_scratch", model, 0.0, context("from_scratch", seed=42)).model
    pair = torch.stack([net.layer4[1].conv1.weight.detach().flatten() for net in (whole, model)])
    assert abs(torch.corrcoef(pair)[0, 1]) < 0.05  # drawn from another stream than the dense network's
