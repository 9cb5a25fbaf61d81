"""Torch-Pruning, an independent pruner that traces the network, cuts the same channels: the same network comes out."""

from copy import deepcopy

import pytest
import torch
import torch_pruning

from core.engine.pruning.shrink import shrink
from core.engine.pruning.structured import choose_channels
from tests.engine.conv_graph import conv_graph, sizes_of


@pytest.mark.parametrize("allocation", ["uniform", "global", "cost"])
@pytest.mark.parametrize("sparsity", [0.5, 0.9])
def test_torch_pruning_cuts_the_same_network(model, pictures, allocation, sparsity):
    kept = choose_channels(model, sparsity, pictures, allocation=allocation)
    ours, theirs = shrink(model, kept, pictures), deepcopy(model)
    graph = torch_pruning.DependencyGraph().build_dependency(theirs, example_inputs=pictures[:1])
    # One writer of each group is named; which others go with it is for Torch-Pruning to find out.
    for group, writer in {edge.target: edge.conv for edge in conv_graph()}.items():
        gone = sorted(set(range(sizes_of(model)[group])) - set(kept[group].tolist()))
        if gone:
            prune = torch_pruning.prune_conv_out_channels
            graph.get_pruning_group(theirs.get_submodule(writer), prune, idxs=gone).prune()
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name
    with torch.no_grad():
        assert torch.equal(ours(pictures), theirs(pictures))
