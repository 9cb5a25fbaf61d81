"""Latency as a target: predicted from a table of layer times, which here says what arithmetic would."""

from dataclasses import replace

import pytest
import torch

from benchmarks.any_network import randomise, registered
from core.engine import resnet18, structured_prune_filters
from core.engine.execute import execute
from core.engine.layer_times import STEP, LatencyModel, LayerTimes
from core.engine.networks.channels import channels_of
from core.engine.networks.layers import example_of, filter_count, layer_shapes
from core.engine.pruning.structured import predicted_share
from core.runs.folder import Home, State
from core.spec.errors import InputError
from core.spec.networks import NETWORKS
from core.spec.spec import RunSpec


@pytest.fixture
def measured(monkeypatch):
    """The shapes that were measured."""
    shapes, measure = [], LayerTimes._measure
    monkeypatch.setattr(LayerTimes, "_measure", lambda self, shape: (shapes.append(shape), measure(self, shape))[1])
    return shapes


def model_of(network, cache=None):
    example = example_of(network)
    channels = channels_of(network, example)
    return LatencyModel(network, channels, example, LayerTimes(4, torch.device("cpu"), cache)), channels


@pytest.mark.parametrize("network", NETWORKS)
def test_the_whole_network_takes_what_was_measured_and_fewer_channels_less(network):
    model = randomise(registered(network, 0.5))
    table, channels = model_of(model)
    whole = channels.sizes
    assert table.seconds(whole) == pytest.approx(1e-3 * filter_count(model))
    for group, size in whole.items():
        after = size // 2
        saved = table.saved(group, whole, after)
        assert saved == pytest.approx(1 - table.share({**whole, group: after}), abs=1e-9)
        assert saved > 0


@pytest.mark.parametrize("target", ["latency-1", "latency-batch"])
@pytest.mark.parametrize("allocation", ["uniform", "global", "cost", "latency"])
def test_a_budget_is_kept_with_whole_blocks_of_channels(allocation, target):
    dense = resnet18(32, seed=0)
    small = structured_prune_filters(dense, 0.6, allocation=allocation, target=target)
    share = predicted_share(dense, small, target, None)
    assert 0.3 < share <= 0.4
    assert all(shape[0] % STEP == 0 for name, shape in layer_shapes(small).items() if name != "fc")


def test_a_budget_that_cannot_be_reached_says_what_is_the_least():
    dense = resnet18(16, seed=0)
    with pytest.raises(InputError, match=r"takes at least 0\.\d\d of the dense network's time, not 0\.01") as caught:
        structured_prune_filters(dense, 0.99, target="latency-batch")
    least = float(str(caught.value).partition("at least ")[2].split()[0])
    assert predicted_share(dense, structured_prune_filters(dense, 1 - least - 0.01, target="latency-batch"),
                           "latency-batch", None) <= least + 0.01  # fmt: skip


def test_each_shape_is_measured_once_and_kept(measured, tmp_path):
    dense = resnet18(16, seed=0)
    for _ in range(2):
        table, channels = model_of(dense, tmp_path)
        table.seconds({name: size // 2 for name, size in channels.sizes.items()})
    assert len(measured) == len(set(measured)) == len(list(tmp_path.iterdir()))
    before = len(measured)
    LayerTimes(8, torch.device("cpu"), tmp_path).seconds(measured[0])  # another batch
    assert len(measured) == before + 1


def test_layers_that_really_are_timed_take_some_time():
    model = resnet18(8, seed=0).train()
    table, channels = model_of(model)
    assert model.training
    assert 0 < table.share(dict.fromkeys(channels.sizes, STEP)) <= 1.5  # of a machine that does other things as well


@pytest.mark.usefixtures("impatient")
def test_a_run_says_what_was_asked_for_predicted_and_measured(recipe, tmp_path):
    home = Home(tmp_path).prepare()
    spec = RunSpec(replace(recipe, width=16), "structured", 1, 0.5, (("target", "latency-batch"),))
    for each in (spec.dense, spec):
        assert execute(home.create(each).path) == State.DONE, home.run(each.run_id).log_path.read_text()
    result = home.run(spec.run_id).result()
    budget = result.latency_budget
    assert (budget.target, budget.budget) == ("latency-batch", 0.5)
    assert 0 < budget.predicted <= 0.5
    assert budget.measured == pytest.approx(1 / result.optimised_batch_speedup, abs=1e-3)
    impossible = RunSpec(spec.recipe, "structured", 1, 0.98, (("target", "latency-batch"),))
    assert execute(home.create(impossible).path) == State.FAILED
    assert "takes at least" in str(home.run(impossible.run_id).describe()[1].message)
