"""Channels of networks of any class: what can go is found, and a network without it computes the same."""

import itertools
from functools import cache, partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torchvision import models
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

from benchmarks.any_network import CLASSES, check_pruned, packaged, randomise, registered
from core.engine import resnet18, structured_prune_filters
from core.engine.networks.channels import STAYS, find_channels
from core.engine.networks.cut import check_cut, cut_channels, zero_channels
from core.engine.networks.layers import prunable_count, with_picture_shape
from core.spec.errors import InputError
from core.spec.methods import METHODS
from core.spec.networks import NETWORKS
from tests.engine.conv_graph import conv_graph, sizes_of

CHOICES = METHODS["structured"].setting("allocation").choices
ALLOCATIONS = [name for name in CHOICES if name != "latency"]  # whose channels are multiples of 8: test_layer_times
EXAMPLE = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
SMALL = EXAMPLE[..., :16, :16].contiguous()


def choose(channels, share, seed=2):
    """Keep about ``share`` of each group, at random, and at least one of its channels."""
    keep = torch.rand(channels.total, generator=torch.Generator().manual_seed(seed)) < share
    for group in channels.groups.values():
        keep[group[0]] |= not keep[group].any()
    return keep


def convnext():
    blocks = [CNBlockConfig(32, 64, 3), CNBlockConfig(64, None, 3)]
    return with_picture_shape(ConvNeXt(blocks, num_classes=CLASSES), EXAMPLE.shape[1:])


BUILDERS = {
    **{name: partial(registered, name, 0.5) for name in NETWORKS},
    **{name: partial(packaged, name) for name in ("regnet_y_400mf", "shufflenet_v2_x0_5")},
    "convnext": convnext,
}


FINE = [
    name for name in BUILDERS if name != "shufflenet_v2_x0_5"
]  # of which a single channel is not 3 % of all weights


@cache
def network(name):
    """The network and pictures that it takes; not to be changed by a test."""
    torch.manual_seed(0)
    return randomise(BUILDERS[name]()), EXAMPLE[..., :32, :32] if name in NETWORKS else EXAMPLE


@pytest.mark.parametrize(("name", "allocation"), [*zip(BUILDERS, itertools.cycle(ALLOCATIONS), strict=False)])
def test_a_pruned_network_of_any_family_can_do_all_that_the_whole_one_can(name, allocation):
    model, example = network(name)
    found = check_pruned(model, BUILDERS[name], example, 0.7, allocation)
    assert found.sparsity == pytest.approx(0.7, abs=0.01)
    assert max(found.difference, found.onnx_difference) < 1e-4


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(FINE), sparsity=st.floats(0.3, 0.7), allocation=st.sampled_from(ALLOCATIONS))
def test_any_network_loses_as_much_as_was_asked_for_and_computes_what_is_left(name, sparsity, allocation):
    model, example = network(name)
    # It compares the smaller network with the one in which those channels are zero, or raises.
    smaller = structured_prune_filters(model, sparsity, example_input=example, allocation=allocation)
    assert 1 - prunable_count(smaller) / prunable_count(model) == pytest.approx(sparsity, abs=0.01)


@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet:FutureWarning")
def test_layers_that_are_used_in_training_only_lose_the_same_channels():
    model = randomise(models.googlenet(num_classes=7))
    channels = find_channels(model, EXAMPLE)
    keep = choose(channels, 0.5)
    smaller = cut_channels(model, channels, keep)
    with torch.no_grad():
        expected = zero_channels(model, channels, keep)(EXAMPLE)
        torch.testing.assert_close(smaller(EXAMPLE), expected, rtol=1e-4, atol=1e-4)
    sum(smaller.train()(EXAMPLE)).sum().backward()  # the logits, and those of two auxiliary classifiers
    assert all(p.grad is not None and p.grad.shape == p.shape for p in smaller.parameters())


def test_the_groups_of_resnet18_are_those_that_are_known():
    model = resnet18(4)
    found = find_channels(model, SMALL)
    groups = {}
    for edge in conv_graph():
        written = set(found_of(found, f"{edge.conv}.weight", 0))
        assert groups.setdefault(edge.target, written) == written
        if edge.source is not None:
            assert set(found_of(found, f"{edge.conv}.weight", 1)) == groups[edge.source]
    assert found.sizes == sizes_of(model)
    assert {name: set(group.tolist()) for name, group in found.groups.items()} == groups


def found_of(channels, tensor, dim):
    """The channels that positions of a tensor belong to; empty where all of them stay."""
    return next((axis.channels.tolist() for axis in channels.axes if (axis.tensor, axis.dim) == (tensor, dim)), [])


class Net(nn.Module):
    """A stem of 8 channels, whatever ``body`` does with them by its layers, and a classifier of its ``features``."""

    def __init__(self, body, features, **layers):
        super().__init__()
        self.stem, self.body = nn.Conv2d(3, 8, 3, padding=1, bias=False), body
        self.norm = nn.BatchNorm2d(8)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.fc = nn.Linear(features, 5)

    def forward(self, x):
        return self.fc(self.body(self, F.relu(self.norm(self.stem(x)))))


class Shift(nn.Module):
    """A constant for each of 8 channels, as a parameter and as a buffer."""

    def __init__(self):
        super().__init__()
        self.learned = nn.Parameter(torch.randn(1, 8, 1, 1))
        self.register_buffer("fixed", torch.randn(8, 1, 1), persistent=False)

    def forward(self, x):
        return x + self.learned + self.fixed


def pooled(x):
    return x.mean((2, 3))


def conv(source=8, target=8, **more):
    return nn.Conv2d(source, target, 1, bias=False, **more)


# What a body does, and how many of the stem's 8 channels can go one by one, or in rows of how many.
BODIES = {
    "flatten": (Net(lambda net, x: F.adaptive_avg_pool2d(x, 2).flatten(1), 32), 8),
    "concatenate": (Net(lambda net, x: pooled(torch.cat([x, net.a(x)], 1)), 14, a=conv(8, 6)), 8),
    "squeeze and excite": (
        Net(lambda net, x: pooled(x * torch.sigmoid(net.b(F.relu(net.a(pooled(x)[..., None, None]))))), 8,
            a=conv(8, 4), b=conv(4, 8)),
        8,
    ),
    "twice the same layer": (Net(lambda net, x: pooled(net.a(net.a(x))), 8, a=conv()), 8),
    "depthwise": (Net(lambda net, x: pooled(net.a(x)), 16, a=nn.Conv2d(8, 16, 3, groups=8)), 8),
    "grouped": (Net(lambda net, x: pooled(net.a(x)), 12, a=nn.Conv2d(8, 12, 1, groups=4)), 4),
    "halves": (Net(lambda net, x: pooled(torch.cat([c * 2 for c in x.chunk(2, 1)], 1)), 8), 4),
    "scaled by a parameter": (Net(lambda net, x: pooled(x * net.a.weight[0, :, None, None]), 8, a=nn.Linear(8, 1)), 0),
    "shortcut": (Net(lambda net, x: pooled(x + net.a(x)), 8, a=conv()), 8),
    "normalised over channels": (Net(lambda net, x: net.a(pooled(x)), 8, a=nn.LayerNorm(8)), 0),
    "channels by number": (Net(lambda net, x: pooled(x[:, :5]), 5), 0),
    "a constant in the place of a zero": (Net(lambda net, x: pooled(net.a(torch.sigmoid(x))), 8, a=conv()), 0),
    "a slope for each channel": (Net(lambda net, x: pooled(net.a(x)), 8, a=nn.PReLU(8)), 8),
    "shifted by constants": (Net(lambda net, x: pooled(net.b(net.a(x))), 8, a=Shift(), b=conv()), 8),
    "one for each picture": (Net(lambda net, x: pooled(x * net.a(x)), 8, a=conv(8, 1)), 8),
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_what_goes_together_is_found(body):
    torch.manual_seed(0)
    model, removable = BODIES[body]
    randomise(model)
    try:
        channels = find_channels(model, SMALL)
    except InputError as error:
        assert "can be removed" in str(error)
        assert removable == 0
        return
    assert len(set(found_of(channels, "stem.weight", 0)) - {STAYS}) == removable
    for seed in range(3):
        keep = choose(channels, 0.6, seed)
        check_cut(cut_channels(model, channels, keep), zero_channels(model, channels, keep), SMALL)


def test_what_cannot_be_traced_or_cut_is_one_sentence():
    class Undecided(Net):
        def forward(self, x):
            return super().forward(x) if x.sum() > 0 else super().forward(-x)

    class Rigid(Net):
        def forward(self, x):
            return super().forward(x).reshape(len(x), 5) * len(self.stem.weight)

    class Precise(Net):
        def forward(self, x):
            with torch.autocast("cpu", enabled=False):
                return super().forward(x)

    with pytest.raises(InputError, match="wrap_with_autocast keeps those of"):
        find_channels(Precise(lambda net, x: pooled(x), 8), SMALL)
    with pytest.raises(InputError, match="cannot be traced"):
        find_channels(Undecided(lambda net, x: pooled(x), 8), SMALL)
    rigid = randomise(Rigid(lambda net, x: pooled(x), 8))
    with pytest.raises(InputError, match="computes something else"):
        structured_prune_filters(rigid, 0.5, example_input=SMALL)
