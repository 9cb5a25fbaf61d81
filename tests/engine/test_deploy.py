"""The optimised network computes what the network does."""

import pytest
import torch

from core.engine import deploy, resnet18, structured_prune_filters
from core.engine.deploy import FOLDED, FUSED, folded, optimise
from core.engine.latency import time_deployed
from core.engine.pruning import prune
from core.spec.methods import METHODS
from prunescope.residual import ResNet, Shape


def off(network, run, pictures):
    """The largest difference, as a share of the largest logit."""
    with torch.no_grad():
        expected = network(pictures)
    return float((run(pictures) - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("method", METHODS)
def test_it_computes_what_every_pruned_network_does_at_any_batch(model, pictures, context, method, monkeypatch):
    monkeypatch.setattr("core.engine.pruning.synflow.ROUNDS", 3)
    network = prune(method, model, 0.8, context(method)).model.eval()
    found = optimise(network, pictures)
    for batch in (1, 3, len(pictures)):
        assert off(network, found.run, pictures[:batch]) < 1e-4
        assert off(network, deploy._OneDNN(folded(network, pictures)), pictures[:batch]) < 1e-4
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded(network, pictures).modules())


@pytest.mark.parametrize("channels", [1, 3, 7, 17])
def test_odd_channel_counts_come_out_right(pictures, channels):
    shape = Shape((channels, channels + 1, channels, 2 * channels), ((1, channels),) * 4, 3)
    torch.manual_seed(channels)
    network = ResNet(shape).eval()
    assert off(network, deploy._OneDNN(folded(network, pictures)), pictures) < 1e-4


def test_the_network_itself_is_left_as_it_is(model, pictures):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    kept = pictures.clone()
    optimise(model, pictures)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(kept, pictures)  # sums are computed in place, but never in the caller's memory
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("error", [AttributeError("no such operation"), RuntimeError("not on this\nprocessor")])
def test_where_fused_operations_do_not_work_it_is_folded_and_says_why(model, pictures, monkeypatch, error):
    def refuse(self, x, activation):
        raise error

    monkeypatch.setattr(deploy.FusedConv, "__call__", refuse)
    found = optimise(model, pictures)
    assert found.note.startswith(f"{FOLDED}; not fused: {str(error).splitlines()[0]}")
    assert off(model, found.run, pictures) < 1e-4


def test_fused_operations_that_compute_something_else_are_not_used(model, pictures, monkeypatch):
    real = deploy.FusedConv.add_relu
    monkeypatch.setattr(deploy.FusedConv, "add_relu", lambda self, residual, x: 1.1 * real(self, residual, x))
    assert "off by" in optimise(model, pictures).note


def test_a_folding_that_goes_wrong_is_an_error_and_a_note_beside_the_eager_latency(model, pictures, monkeypatch):
    monkeypatch.setattr(deploy, "folded", lambda network, images: resnet18(8, seed=5).eval())
    with pytest.raises(RuntimeError, match="off by"):
        optimise(model, pictures)
    found = time_deployed({"net": model}, 2, seconds=0.01)["net"]
    assert found.eager.median_ms > 0
    assert found.optimised is None
    assert found.note.startswith("not optimised: its logits are off by")


def test_what_is_deployed_is_checked_without_tf32_and_runs_with_it(model, pictures, monkeypatch):
    real, used = torch.nn.Conv2d._conv_forward, []

    def tensor_cores(self, x, weight, bias):
        used.append(torch.backends.cudnn.allow_tf32)
        return real(self, x.round(decimals=1) if used[-1] else x, weight, bias)

    assert torch.backends.cudnn.allow_tf32
    monkeypatch.setattr(torch.nn.Conv2d, "_conv_forward", tensor_cores)
    monkeypatch.setattr(deploy, "_OneDNN", lambda network: network)  # as on a GPU, where there is none
    found = optimise(model, pictures)
    used.clear()
    found.run(pictures)
    assert used
    assert all(used)


def test_latencies_of_both_come_from_the_same_turns(model):
    networks = {"dense": model, "small": structured_prune_filters(model, 0.9)}
    for found in time_deployed(networks, 4, seconds=0.01).values():
        assert found.optimised is not None
        assert found.optimised.batch == found.eager.batch == 4
        assert found.note in (FUSED, FOLDED)
