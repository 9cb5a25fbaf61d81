"""Networks in int8: they compute nearly what they did, what is recorded is what is taken away, and a failure stays small."""

import hashlib
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.any_network import randomise
from core.engine import build_network
from core.engine.context import RunContext
from core.engine.execute import execute
from core.engine.export import export
from core.engine.int8 import OnnxNetwork, evaluate_onnx, measure_int8_of, quantise
from core.runs.folder import Home, State
from core.runs.int8 import read_int8
from core.spec.errors import InputError
from core.spec.networks import NETWORKS
from core.spec.spec import RunSpec

IMAGES = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_in_int8_computes_nearly_the_same(network):
    torch.manual_seed(0)
    model = randomise(build_network(network, 8, seed=0))
    content = quantise(model, IMAGES, {"classes": "cat,dog"})
    logits = OnnxNetwork(content)(IMAGES.numpy())
    with torch.no_grad():
        expected = model(IMAGES).numpy()
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.98
    assert b"cat,dog" in content


@pytest.fixture(scope="module")
def finished(recipe, tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("int8.SECONDS", "result.FULL_SECONDS", "result.QUICK_SECONDS"):
            monkeypatch.setattr(f"core.engine.{name}", 0.01)
        home = Home(tmp_path_factory.mktemp("int8")).prepare()
        pruned = RunSpec(replace(recipe, width=8), "structured", 1, 0.5)
        for spec in (pruned.dense, pruned):
            assert execute(home.create(spec).path) == State.DONE
    return home.run(pruned.run_id)


def test_what_is_exported_is_what_was_measured(finished, tmp_path):
    record, result = read_int8(finished), finished.result()
    assert record.is_of(result.model_sha256)
    export(finished, "onnx-int8", tmp_path / "net.onnx")
    content = (tmp_path / "net.onnx").read_bytes()
    assert hashlib.sha256(content).hexdigest() == record.sha256
    assert len(content) / 1e6 == record.int8_file_mb < result.onnx_file_mb
    assert evaluate_onnx(content, RunContext(finished).test_images) == pytest.approx(record.int8_accuracy, abs=1e-3)
    assert abs(record.int8_accuracy - result.test_accuracy) < 10
    for name, speedup in record.speedups.items():
        assert speedup.low <= speedup.ratio <= speedup.high
        assert getattr(record, name) == speedup.ratio
    assert {name.partition(",")[0] for name in record.timings} >= {"int8", "dense", "this", "delivered"}


def test_an_altered_network_is_refused_and_a_missing_one_made_again(finished, tmp_path):
    content = finished.int8_network_path.read_bytes()
    finished.int8_network_path.write_bytes(content[:-1] + b"!")
    with pytest.raises(InputError, match="was altered after it was measured"):
        export(finished, "onnx-int8", tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()
    finished.int8_network_path.unlink()
    export(finished, "onnx-int8", tmp_path / "net.onnx")
    assert not measure_int8_of(finished.path)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (None, "needs the package onnxruntime"),
        ("onnxruntime.quantization.quantize_static", "cannot be quantised: out of luck"),
        ("core.engine.int8.evaluate_onnx", "cannot be quantised: out of luck"),
    ],
)
def test_a_quantiser_that_is_missing_or_fails_leaves_the_run_whole(recipe, tmp_path, monkeypatch, place, reason):
    def fail(*arguments, **options):
        raise RuntimeError("out of luck")

    if place is None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    else:
        monkeypatch.setattr(place, fail)
    home = Home(tmp_path).prepare()
    folder = home.create(RunSpec(recipe, "dense", 1))
    assert execute(folder.path) == State.DONE
    assert reason in str(read_int8(folder).reason)
    assert read_int8(folder).int8_accuracy is None
    with pytest.raises(InputError, match=reason):
        export(folder, "onnx-int8", tmp_path / "net.onnx")
