"""SNIP, SynFlow and the re-initialised ticket: masks on networks that have not been trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.engine import resnet18
from core.engine.counts import dead_layers, layers
from core.engine.networks.layers import prunable
from core.engine.pruning import prune
from core.engine.pruning.magnitude import magnitude_masks
from core.engine.pruning.snip import BATCH, sensitivity
from core.engine.pruning.synflow import flow, linearised
from core.spec.methods import METHODS


def test_snip_scores_are_what_the_loss_changes_without_a_weight_to_first_order(context, model):
    given = context("snip")
    images, labels = given.sample(16)
    scores = sensitivity(model, given.weights_at(0), images, labels)
    network = resnet18(8)
    network.load_state_dict(given.weights_at(0))
    network.double().train()

    def loss(scale):
        """With the weight scaled: the derivative at 1 is that of the gate that SNIP puts before each weight."""
        changed = {name: weight.detach() for name, weight in network.named_parameters()}
        changed[name] = changed[name].clone()
        changed[name][place] *= scale
        with torch.no_grad():
            return F.cross_entropy(torch.func.functional_call(network, changed, (images.double(),)), labels)

    rng = np.random.default_rng(0)
    for name in ("conv1.weight", "layer2.0.downsample.0.weight", "layer4.1.conv2.weight", "fc.weight"):
        place = tuple(int(rng.integers(size)) for size in scores[name].shape)
        slope = float(loss(1 + 1e-5) - loss(1 - 1e-5)) / 2e-5
        assert float(scores[name][place]) == pytest.approx(abs(slope), rel=1e-2, abs=1e-7)


def test_snip_looks_at_one_batch_of_the_untrained_network_only(context, model):
    asked = []
    given = context("snip")

    def sample(n):
        asked.append(n)
        return given.sample(n)

    first = prune("snip", model, 0.9, replace(given, sample=sample))
    assert asked == [BATCH] == [128]
    other = resnet18(8, seed=5)  # whatever was trained
    second = prune("snip", other, 0.9, given)
    assert all(torch.equal(first.masks[name], second.masks[name]) for name in first.masks)


@pytest.mark.parametrize("method", ["snip", "synflow"])
def test_what_is_kept_before_training_has_its_initial_value(context, model, method, monkeypatch):
    monkeypatch.setattr("core.engine.pruning.synflow.ROUNDS", 3)
    given = context(method)
    pruned, initial = prune(method, model, 0.9, given), given.weights_at(0)
    for name, tensor in pruned.model.state_dict().items():
        kept = pruned.masks.get(name, torch.ones(()))
        assert torch.equal(tensor, initial[name] * kept), name


def test_the_flow_of_a_weight_is_the_sum_over_the_paths_through_it(model):
    network = linearised(model)
    assert all(bool((parameter >= 0).all()) for parameter in network.parameters())
    scores = flow(network)
    for module in network.modules():  # BatchNorm neither shifts nor normalises: only then do paths add up
        if isinstance(module, nn.BatchNorm2d):
            assert not module.bias.any()
            assert not module.running_mean.any()
    ones = torch.ones(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        network.fc.bias.zero_()
        total = float(network(ones).sum())
        # All paths go through the stem, and through the last layer: the flow is conserved (Tanaka et al., theorem 1).
        assert float(scores["conv1.weight"].sum()) == pytest.approx(total, rel=1e-9)
        assert float(scores["fc.weight"].sum()) == pytest.approx(total, rel=1e-9)
        weight, place = network.layer3[0].conv1.weight, (3, 1, 0, 2)
        weight[place] = 0.0
        lost = total - float(network(ones).sum())
    assert float(scores["layer3.0.conv1.weight"][place]) == pytest.approx(lost, rel=1e-6)


def test_the_flow_of_the_full_network_is_a_number():
    for scores in flow(linearised(resnet18(64, seed=0))).values():
        assert torch.isfinite(scores).all()
        assert scores.any()


def test_synflow_keeps_layers_alive_that_one_cut_empties(context, monkeypatch):
    model = resnet18(4, seed=0)
    given = replace(context("synflow"), weights_at=lambda epoch: model.state_dict())
    many = prune("synflow", model, 0.99, given)
    monkeypatch.setattr("core.engine.pruning.synflow.ROUNDS", 1)
    once = prune("synflow", model, 0.99, given)
    assert dead_layers(layers(many.model, model)) == []
    assert dead_layers(layers(once.model, model)) != []


def test_a_reinitialised_ticket_has_the_tickets_mask_and_new_weights(context, model):
    given = context("reinitialised_ticket", seed=42)
    pruned, ticket = prune("reinitialised_ticket", model, 0.8, given), magnitude_masks(model, 0.8)
    assert all(torch.equal(pruned.masks[name], ticket[name]) for name in ticket)
    other = prune("reinitialised_ticket", model, 0.8, context("reinitialised_ticket", seed=43))
    own = resnet18(8, seed=42)  # what the dense run of this seed started from
    for name, weight in prunable(pruned.model).items():
        for different in (prunable(other.model)[name], prunable(own)[name], prunable(model)[name]):
            assert not torch.equal(weight[ticket[name]], different[ticket[name]])
    kept = pruned.model.layer3[0].conv1.weight[ticket["layer3.0.conv1.weight"]]
    fresh = own.layer3[0].conv1.weight
    assert float(kept.detach().std()) == pytest.approx(float(fresh.detach().std()), rel=0.1)  # drawn as usual
    assert not pruned.model.bn1.running_mean.any()


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.restarts])
def test_the_trained_network_is_of_no_use_to_those_that_say_so(context, model, method):
    given = context(method)
    other = resnet18(8, seed=5).train(model.training)
    one, two = (prune(method, network, 0.5, given).model.state_dict() for network in (model, other))
    same = all(torch.equal(weight, two[name]) for name, weight in one.items())
    assert same != METHODS[method].uses_dense_training
