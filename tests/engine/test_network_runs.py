"""Whole runs of every network of the registry, on pictures that are not 32 pixels wide, from weights that were imported."""

from dataclasses import replace

import pytest
from safetensors.torch import save_file

from core.engine import build_network
from core.engine.execute import execute
from core.runs.diagnostics import read_diagnostics
from core.runs.folder import Home, State
from core.runs.imports import hash_weights, keep_weights
from core.spec.networks import NETWORKS
from core.spec.spec import RunSpec

pytestmark = pytest.mark.usefixtures("impatient")
SIZE = 48


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_is_imported_pruned_taught_diagnosed_and_exported(recipe, network, tmp_path):
    home, weights = Home(tmp_path / "home").prepare(), tmp_path / "weights.safetensors"
    save_file(build_network(network, 4, 2, seed=1).state_dict(), weights)
    keep_weights(home, weights, hash_weights(weights))
    chosen = replace(recipe, network=network, size=SIZE, weights_sha256=hash_weights(weights))
    pruned = RunSpec(chosen, "structured", 1, 0.5, (("teacher", "dense"),))
    for spec in (pruned.dense, pruned):
        assert execute(home.create(spec).path) == State.DONE, home.run(spec.run_id).log_path.read_text()
    dense, found = (home.run(spec.run_id).result() for spec in (pruned.dense, pruned))
    assert (dense.schedule, dense.train_seconds) == (None, 0)
    assert found.reached_sparsity == pytest.approx(0.5, abs=0.03)  # in so thin a network a channel is much
    assert found.dense_macs == dense.macs > found.macs
    assert len(read_diagnostics(home.run(pruned.run_id)).layers) == len(found.layers) == len(dense.layers)
    assert found.onnx_file_mb < dense.onnx_file_mb
