"""What is taken away computes what the run's network does."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from core.engine import (
    build_network,
    load_model,
    magnitude_prune_global,
    onnx_file,
    save_model,
    structured_prune_filters,
)
from core.engine.artifact import notes_of
from core.engine.export import export
from core.engine.networks.layers import with_picture_shape
from core.engine.onnx_file import encode_onnx
from core.runs.folder import Home
from core.spec.errors import InputError
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.records import write_result

NOTES = {"run_id": "x", "classes": "cat,dog", "mean": "0.1,0.2,0.3", "std": "1,1,1"}


@pytest.fixture
def folder(tmp_path, model):
    run = write_result(Home(tmp_path).prepare(), RunSpec(build_recipe("demo"), "magnitude", 1, 0.9))
    save_model(magnitude_prune_global(model, 0.9), run.model_path, notes=NOTES)
    return run


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2"])
def test_onnxruntime_takes_pictures_of_the_networks_size(name):
    network = with_picture_shape(build_network(name, 4, 2, seed=0), (3, 48, 48)).eval()
    session = onnxruntime.InferenceSession(encode_onnx(network, {}), providers=["CPUExecutionProvider"])
    images = torch.randn(3, 3, 48, 48)
    (logits,) = session.run(None, {onnx_file.INPUT: images.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(logits), network(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prune", [magnitude_prune_global, structured_prune_filters])
def test_onnxruntime_computes_what_pytorch_does_at_any_batch(model, prune):
    pruned = prune(model, 0.9).train()
    content = encode_onnx(pruned, NOTES)
    assert pruned.training
    assert len(content) < 4 * sum(p.numel() for p in pruned.parameters()) + 20_000  # shrunk nets are exported shrunk
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map.items() >= NOTES.items()
    pruned.eval()
    for batch in (1, 5):
        images = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(batch))
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        with torch.no_grad():
            assert np.abs(logits - pruned(images).numpy()).max() < 1e-4


def test_safetensors_are_equal_to_the_bit_and_half_as_large_in_float16(folder, pictures, tmp_path):
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    export(folder, "safetensors", full)
    export(folder, "safetensors", half, half=True)
    network = load_model(folder.model_path)
    with torch.no_grad():
        assert torch.equal(load_model(full)(pictures), network(pictures))
        assert torch.allclose(load_model(half)(pictures), network(pictures), atol=0.05)
    assert half.stat().st_size < 0.8 * full.stat().st_size  # the positions of the weights take the same room in both
    assert notes_of(half) == NOTES


@pytest.mark.parametrize("form", ["safetensors", "onnx"])
def test_a_damaged_network_is_a_sentence_and_leaves_what_was_there(folder, form, tmp_path):
    content = folder.model_path.read_bytes()
    folder.model_path.write_bytes(content[: len(content) // 2])
    target = tmp_path / "target"
    target.write_text("old")
    with pytest.raises(InputError, match="truncated"):
        export(folder, form, target)
    assert target.read_text() == "old"


def test_a_place_that_cannot_be_written_is_a_sentence(folder, tmp_path):
    for target in (tmp_path / "missing" / "file", tmp_path):
        with pytest.raises(InputError, match=r"cannot be written .* --output"):
            export(folder, "safetensors", target)
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_network_too_large_for_onnx_is_a_sentence(model, monkeypatch):
    monkeypatch.setattr(onnx_file, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="choose another format"):
        encode_onnx(model, NOTES)
