"""Reconstruction by least squares: what a layer gave before the cut, as nearly as the weights that are left allow."""

from copy import deepcopy

import pytest
import torch

from core.engine.pruning import prune
from core.engine.pruning.shrink import all_channels, cut
from core.engine.pruning.structured import choose_channels
from core.engine.recovery import reconstruction
from core.engine.recovery.reconstruction import least_squares


@pytest.fixture
def sample():
    images = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    return lambda n: (images[:n], torch.arange(64)[:n] % 10)


def test_where_nothing_is_removed_the_network_stays_as_it_is_to_the_bit(model, sample):
    same = least_squares(*cut_of(model, all_channels(model.shape)), sample)
    assert all(torch.equal(tensor, same.state_dict()[name]) for name, tensor in model.state_dict().items())


def cut_of(model, kept):
    pruned, averages = cut(model, kept, seed=0)
    return pruned, model, averages


@pytest.fixture
def errors(monkeypatch):
    """The squared error of each layer before and after it was solved."""
    found = []
    real = reconstruction.fit

    def fit(layer, x, target):
        before = (layer(x) - target).square().mean()
        real(layer, x, target)
        found.append((float(before), float((layer(x) - target).square().mean())))

    monkeypatch.setattr(reconstruction, "fit", fit)
    return found


@pytest.mark.parametrize(("removal", "sparsity"), [("cut", 0.3), ("cut", 0.9), ("fold", 0.5)])
def test_no_layer_has_a_larger_error_than_before_and_the_logits_come_nearer(model, context, errors, removal, sparsity):
    plain, solved = (
        prune("structured", model, sparsity, context("structured", removal=removal, reconstruction=name)).model
        for name in ("none", "least-squares")
    )
    assert len(errors) == 19  # every convolution but the first
    assert all(after <= before * (1 + 1e-5) for before, after in errors)
    assert sum(after for _, after in errors) < 0.9 * sum(before for before, _ in errors)
    images = context("structured").sample(64)[0]
    with torch.no_grad():
        wanted = model(images)
        assert (solved(images) - wanted).square().mean() < 0.5 * (plain(images) - wanted).square().mean()
    assert solved.shape == plain.shape
    assert not solved.training


def test_what_other_channels_can_replace_is_replaced(model, sample, pictures):
    """A channel that is a copy of another may go: the next layer then reads the other with both weights."""
    doubled = deepcopy(model)
    with torch.no_grad():
        doubled.layer3[1].conv1.weight[5] = doubled.layer3[1].conv1.weight[2]
        for tensor in (doubled.layer3[1].bn1.weight, doubled.layer3[1].bn1.bias):
            tensor[5] = tensor[2]
        for buffer in (doubled.layer3[1].bn1.running_mean, doubled.layer3[1].bn1.running_var):
            buffer[5] = buffer[2]
    kept = all_channels(model.shape)
    kept["layer3.1"] = torch.tensor([place for place in kept["layer3.1"].tolist() if place != 5])
    pruned, *rest = cut_of(doubled, kept)
    with torch.no_grad():
        wanted = doubled(pictures)
        plain, solved = (net(pictures) - wanted for net in (pruned, least_squares(pruned, *rest, sample)))
    assert solved.abs().max() < 0.1 * plain.abs().max()


def test_a_dead_network_is_no_obstacle(model, sample):
    dead = deepcopy(model)
    torch.nn.init.zeros_(dead.conv1.weight)
    torch.nn.init.zeros_(dead.bn1.bias)
    torch.nn.init.zeros_(dead.bn1.running_mean)
    torch.nn.init.zeros_(dead.layer2[0].bn1.weight)
    solved = least_squares(*cut_of(dead, choose_channels(dead, 0.7)), sample)
    assert all(tensor.isfinite().all() for tensor in solved.state_dict().values())
