"""Folding: what is alike becomes one channel, and the shape is that of a cut."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from core.engine.pruning import prune
from core.engine.pruning.fold import RESTARTS, _averages, fold
from core.engine.pruning.shrink import shrink
from prunescope.resize import resize
from tests.engine.conv_graph import conv_graph, sizes_of


def twice(model):
    """A network that computes what ``model`` does, with each channel twice, each copy read with half of the weight."""
    state = model.state_dict()
    for edge in conv_graph():
        weight = state[f"{edge.conv}.weight"].repeat(2, 1, 1, 1)
        # The copies' shares differ: only the sum of what they are read with is of the network.
        state[f"{edge.conv}.weight"] = weight if edge.source is None else torch.cat([0.25 * weight, 0.75 * weight], 1)
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{edge.norm}.{name}"] = state[f"{edge.norm}.{name}"].repeat(2)
    state["fc.weight"] = torch.cat([0.25 * state["fc.weight"], 0.75 * state["fc.weight"]], 1)
    double = deepcopy(model)
    resize(double, state)
    return double


def test_folding_channels_that_are_there_twice_loses_nothing_and_cutting_them_does(model, pictures):
    signed = deepcopy(model)
    with torch.no_grad():
        signed.layer2[0].bn1.weight[::2] *= -1  # a negative factor of BatchNorm is no obstacle
    double = twice(signed)
    kept = {group: torch.arange(channels) for group, channels in sizes_of(signed).items()}
    folded = fold(double, kept, 1, pictures)
    with torch.no_grad():
        expected = signed(pictures)
        assert (double(pictures) - expected).abs().max() < 1e-3
        assert (folded(pictures) - expected).abs().max() < 1e-3
        assert (shrink(double, kept, pictures)(pictures) - expected).abs().max() > 0.01
    assert folded.shape == signed.shape


@pytest.mark.parametrize("allocation", ["uniform", "cost"])
def test_a_folded_network_has_the_shape_of_a_cut_one_and_follows_from_the_seed(model, context, allocation):
    made = {
        (removal, seed): prune(
            "structured", model, 0.7, context("structured", seed, allocation=allocation, removal=removal)
        )
        for removal, seed in (("cut", 1), ("fold", 1), ("fold", 2))
    }
    again = prune("structured", model, 0.7, context("structured", 1, allocation=allocation, removal="fold"))
    folded, other = made["fold", 1].model, made["fold", 2].model
    assert folded.shape == other.shape == made["cut", 1].model.shape
    assert all(torch.equal(a, b) for a, b in zip(folded.parameters(), again.model.parameters(), strict=True))
    assert not torch.equal(folded.fc.weight, other.fc.weight)
    assert made["fold", 1].kept is None  # its channels are none of the dense network's


@pytest.mark.parametrize("count", [1, 3, 19, 20])
def test_no_cluster_is_empty_and_each_channel_is_in_one(count):
    points = np.random.default_rng(0).normal(size=(20, 5))
    points[5:10] = points[5]  # fewer different points than clusters
    averages = _averages(points, count, np.random.default_rng(0))
    assert averages.shape == (count, 20)
    assert torch.allclose(averages.sum(1), torch.ones(count))
    assert (averages > 0).sum(0).eq(1).all()
    assert RESTARTS > 1
