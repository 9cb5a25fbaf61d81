import json
import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from core.engine import load_model, magnitude_prune_global, resnet18, save_model, structured_prune_filters
from core.engine.artifact import _gaps, encode, notes_of, plain_size
from core.engine.pruning import prune
from core.spec.errors import InputError
from core.spec.methods import METHODS
from prunescope.model_file import FORMAT, decode_positions, digest


@pytest.mark.parametrize("method", METHODS)
def test_a_network_comes_back_equal_to_the_bit(model, pictures, context, tmp_path, method):
    pruned = prune(method, model, 0.9, context(method)).model.eval()
    save_model(pruned, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.shape == pruned.shape
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), pruned.state_dict().values(), strict=True)
    )
    with torch.no_grad():
        assert torch.equal(loaded(pictures), pruned(pictures))


def test_the_same_network_is_the_same_file_to_the_byte(model, tmp_path):
    """In whichever process: safetensors by itself writes the metadata in an order of its own."""
    pruned, notes = magnitude_prune_global(model, 0.9), {"run_id": "x", "classes": "cat,dög"}
    assert len({encode(pruned, notes=notes) for _ in range(20)}) == 1


def test_full_width_magnitude_09_is_near_the_entropy_of_its_mask(tmp_path):
    path = tmp_path / "model.safetensors"
    pruned = magnitude_prune_global(resnet18(64, seed=0), 0.9)
    save_model(pruned, path)
    assert path.stat().st_size <= 5.2e6
    save_model(pruned, path, dtype="float16")
    assert path.stat().st_size <= 2.9e6
    assert plain_size(pruned) > 44.6e6


def test_a_shrunk_network_is_stored_as_small_as_it_is(tmp_path, model):
    path = tmp_path / "model.safetensors"
    shrunk = structured_prune_filters(model, 0.9)
    save_model(shrunk, path)
    floats = sum(t.numel() for t in shrunk.state_dict().values())
    assert path.stat().st_size < 4 * floats + 20_000


def test_float16_rounds_and_nothing_worse(model, pictures, tmp_path):
    path = tmp_path / "half.safetensors"
    save_model(model, path, dtype="float16")
    with torch.no_grad():
        assert torch.allclose(load_model(path)(pictures), model(pictures), atol=0.05)
    with pytest.raises(InputError, match="float32, float16"):
        save_model(model, path, dtype="int3")


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=200))))
def test_positions_survive_the_coding(case):
    size, chosen = case
    positions = torch.tensor(sorted(chosen), dtype=torch.int64).numpy()
    assert (decode_positions(_gaps(positions), len(positions), size) == positions).all()


def test_a_network_without_any_weight_left_survives(tmp_path):
    model = resnet18(8)
    with torch.no_grad():
        model.conv1.weight.zero_()
    save_model(model, tmp_path / "m")
    assert not load_model(tmp_path / "m").conv1.weight.any()


def test_every_altered_byte_is_found(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(magnitude_prune_global(resnet18(4, seed=0), 0.9), path, notes={"run_id": "x"})
    content = path.read_bytes()
    for position in range(0, len(content), max(1, len(content) // 150)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        with pytest.raises(InputError):
            load_model(path)


def test_every_truncation_is_found(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(resnet18(4, seed=0), path)
    content = path.read_bytes()
    for length in (0, 1, 7, 8, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            load_model(path)


def test_foreign_files_are_refused_in_one_sentence(tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, foreign)
    pickle = tmp_path / "pickle.pt"
    torch.save({"a": 1}, pickle)
    for path in (foreign, pickle, tmp_path / "missing", tmp_path):
        with pytest.raises(InputError) as caught:
            load_model(path)
        assert "\n" not in str(caught.value)


def test_a_bomb_is_not_unpacked(tmp_path, model):
    """A gap stream that would unpack to far more positions than the tensor has is refused before it fills the memory."""
    import zlib  # noqa: PLC0415

    coder = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = coder.compress(bytes(50_000_000)) + coder.flush()
    coded = torch.frombuffer(bytearray(bomb), dtype=torch.uint8).numpy()
    with pytest.raises(ValueError, match="do not fit"):
        decode_positions(coded, 10, 100)


def test_a_file_that_claims_to_be_huge_is_refused_before_memory_is_taken(tmp_path, model):
    for channels in (60_000, 4096):
        shape = {"stages": [channels] * 4, "inner": [[channels] * 2] * 4, "classes": 10}
        tensors = {name: torch.zeros(1) for name in ("conv1.weight", "bn1.weight")}
        metadata = {"format": FORMAT, "shape": json.dumps(shape), "notes": "{}"}
        metadata["sha256"] = digest(tensors, metadata)
        save_file(tensors, tmp_path / "huge", metadata)
        with pytest.raises(InputError, match="does not hold a network"):
            load_model(tmp_path / "huge")


def test_notes_travel_with_the_network(tmp_path, model):
    save_model(model, tmp_path / "m", notes={"run_id": "magnitude-0.9", "classes": "cat,dog"})
    assert notes_of(tmp_path / "m") == {"run_id": "magnitude-0.9", "classes": "cat,dog"}
    for notes in ("[]", "{"):
        metadata = {"format": FORMAT, "shape": "{}", "notes": notes}
        metadata["sha256"] = digest({"x": torch.zeros(1)}, metadata)
        save_file({"x": torch.zeros(1)}, tmp_path / "odd", metadata)
        with pytest.raises(InputError, match="has no notes"):
            notes_of(tmp_path / "odd")


def test_the_file_is_plain_safetensors_that_others_can_read(tmp_path, model):
    save_model(model, tmp_path / "m")
    raw = (tmp_path / "m").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    assert json.loads(raw[8 : 8 + length])["__metadata__"]["format"] == "prunescope-1"


def test_a_folder_of_somebodys_is_never_moved_out_of_the_way(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis").write_text("words")
    with pytest.raises(OSError, match="directory"):
        save_model(resnet18(4), tmp_path / "precious")
    assert [path.name for path in tmp_path.rglob("*")] == ["precious", "thesis"]
