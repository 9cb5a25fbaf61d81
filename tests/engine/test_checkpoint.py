import json

import pytest
import torch

from core.engine.checkpoint import GENERATIONS, drop_checkpoints, load_checkpoint, save_checkpoint
from core.runs.atomic_io import sha256
from core.runs.lease import Lease, LeaseLostError


@pytest.fixture
def saved(tmp_path):
    """Three checkpoints were saved; what is in each is its epoch."""
    with Lease(tmp_path) as lease:
        for epoch in (1, 2, 3):
            save_checkpoint(tmp_path, epoch, {"weights": torch.full((100,), float(epoch)), "seconds": 1.5}, lease)
    return tmp_path


def test_the_newest_comes_back_and_two_generations_are_kept(saved):
    checkpoint, damaged = load_checkpoint(saved)
    assert checkpoint.epoch == 3
    assert torch.equal(checkpoint.state["weights"], torch.full((100,), 3.0))
    assert damaged == []
    assert len(list(saved.glob("checkpoint-*.pt"))) == GENERATIONS


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        flip,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: path.with_suffix(".json").write_text("{"),
        lambda path: path.with_suffix(".json").write_text("[]"),
        lambda path: flip(path.with_suffix(".json")),
    ],
    ids=["flipped bit", "truncated", "emptied", "missing", "torn manifest", "foreign manifest", "flipped manifest"],
)
def test_a_bad_newest_generation_is_set_aside_and_the_one_before_used(saved, harm):
    harm(saved / "checkpoint-0003.pt")
    checkpoint, damaged = load_checkpoint(saved)
    assert checkpoint.epoch == 2
    assert damaged == ["checkpoint-0003.pt"]
    assert list(saved.glob("checkpoint-0003.*.damaged"))
    assert load_checkpoint(saved)[1] == []  # once set aside it is not found again


def test_a_checkpoint_that_this_torch_cannot_read_is_set_aside_too(saved):
    path = saved / "checkpoint-0003.pt"
    path.write_bytes(b"not a checkpoint at all")
    manifest = {"epoch": 3, "size": 23, "sha256": sha256(path), "attempt": 1}
    path.with_suffix(".json").write_text(json.dumps(manifest))
    checkpoint, damaged = load_checkpoint(saved)
    assert (checkpoint.epoch, damaged) == (2, ["checkpoint-0003.pt"])


def test_weights_without_a_manifest_are_no_checkpoint(saved):
    for manifest in saved.glob("checkpoint-*.json"):
        manifest.unlink()
    assert load_checkpoint(saved) == (None, [])


def test_a_stale_attempt_may_not_save(tmp_path):
    with Lease(tmp_path) as lease:
        (tmp_path / "attempt-0002").write_text("{}")
        with pytest.raises(LeaseLostError):
            save_checkpoint(tmp_path, 1, {}, lease)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_dropping_leaves_nothing(saved):
    drop_checkpoints(saved)
    assert not list(saved.glob("checkpoint-*"))
