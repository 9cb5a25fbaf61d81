"""What zeros have cut off is removed, and nothing else: the network computes the same with fewer channels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.any_network import randomise
from core.engine import build_network, magnitude_prune_global, resnet18
from core.engine.dead_channels import remove_dead_channels
from core.engine.networks.layers import filter_count, prunable, prunable_count
from core.spec.networks import NETWORKS

IMAGES = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(5))


def logits(model):
    with torch.no_grad():
        return model.eval()(IMAGES)


@settings(max_examples=4, deadline=None)
@given(
    network=st.sampled_from([name for name in NETWORKS if name != "resnet56"]),
    sparsity=st.floats(0.9, 0.99),
    seed=st.integers(0, 99),
)
def test_a_sparse_network_computes_the_same_without_its_dead_channels(network, sparsity, seed):
    sparse = magnitude_prune_global(randomise(build_network(network, 4, seed=seed)), sparsity)
    before = {name: weight.clone() for name, weight in sparse.named_parameters()}
    found = remove_dead_channels(sparse)
    expected = logits(sparse)
    torch.testing.assert_close(logits(found.model), expected, rtol=0, atol=1e-5 * max(1, float(expected.abs().max())))
    assert (found.removed > 0) == (prunable_count(found.model) < prunable_count(sparse)) == bool(found.kept)
    assert all(torch.equal(weight, before[name]) for name, weight in sparse.named_parameters())
    again = remove_dead_channels(found.model)
    assert again.removed == 0


def test_a_network_without_zeros_stays_whole():
    found = remove_dead_channels(resnet18(4, seed=0))
    assert (found.removed, found.kept) == (0, {})


@pytest.fixture
def model():
    return randomise(resnet18(8, seed=0))


def test_what_no_layer_reads_goes_and_all_that_only_it_read(model):
    weights = prunable(model)
    with torch.no_grad():
        weights["layer2.0.conv2.weight"][:, 3] = 0
        weights["layer2.0.conv1.weight"][5] = 0  # written by nothing, read with padding: its constant stays
        model.layer2[0].bn1.bias[5] = 1.0
        weights["layer2.0.conv1.weight"][6] = 0  # and this one is zero after ReLU
        model.layer2[0].bn1.bias[6] = -9.0
    found = remove_dead_channels(model)
    assert found.kept.keys() == {"layer2.0.conv1"}
    assert sorted({*range(16)} - {*found.kept["layer2.0.conv1"].tolist()}) == [3, 6]
    assert filter_count(found.model) == filter_count(model) - 2 == filter_count(model) - found.removed


def test_a_constant_moves_into_the_layer_that_reads_it():
    model = randomise(build_network("mobilenet_v2", 8, seed=0))
    wide = next(name for name, module in model.named_modules() if getattr(module, "groups", 1) > 1)
    depthwise = model.get_submodule(wide)
    norm = model.get_submodule(wide.rpartition(".")[0] + "." + str(int(wide.rpartition(".")[2]) + 1))
    with torch.no_grad():
        depthwise.weight[1] = 0
        norm.bias[1] = norm.running_mean[1] + 3.0
    expected = logits(model)
    found = remove_dead_channels(model)
    assert found.removed == 1
    torch.testing.assert_close(logits(found.model), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_one_channel_of_a_layer_stays_where_all_are_dead(model):
    with torch.no_grad():
        prunable(model)["layer3.1.conv2.weight"].zero_()
    found = remove_dead_channels(model)
    assert len(found.kept["layer3.1.conv1"]) == 1
    torch.testing.assert_close(logits(found.model), logits(model), rtol=1e-5, atol=1e-5)
