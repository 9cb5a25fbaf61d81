"""Every file of a run, damaged in every way: what reads it says so or goes on without it, and no other run is touched."""

import shutil
from contextlib import suppress

import pandas as pd
import pytest
import torch

from core.engine import load_model
from core.engine.checkpoint import _read, load_checkpoint
from core.engine.execute import execute
from core.results.frame import Results
from core.runs.diagnostics import read_diagnostics
from core.runs.folder import Home, State
from core.runs.status import Statuses, curves
from core.spec.errors import InputError

DENSE_FILES = (
    "spec.json",
    "events.jsonl",
    "result.json",
    "model.safetensors",
    "weights-0000.safetensors",
    "attempt-0001",
    "examination.json",
)
PRUNED_FILES = (
    "spec.json",
    "events.jsonl",
    "progress.json",
    "model.safetensors",
    "attempt-0001",
    "checkpoint-0002.json",
    "checkpoint-0002.pt",
    "checkpoint-0001.json",
)
FILES = [("dense", name) for name in DENSE_FILES] + [("pruned", name) for name in PRUNED_FILES]


def flip(place):
    """One bit, ``place`` (from 0 to below 1) of the way into the file."""

    def damage(path, other):
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 1 << int(place * 1000) % 8
        path.write_bytes(content)

    return damage


def cut(place):
    return lambda path, other: path.write_bytes(path.read_bytes()[: int(place * path.stat().st_size)])


def overwrite(content):
    return lambda path, other: path.write_bytes(content) and None


def become_folder(path, other):
    path.unlink()
    path.mkdir()
    (path / "something").write_text("precious")


def become_link(path, other):
    path.unlink()
    path.symlink_to(other)


def become_loop(path, other):
    path.unlink()
    path.symlink_to(path.name)


DAMAGES = {
    "emptied": overwrite(b""),
    **{f"cut at {place:.0%}": cut(place) for place in (0.02, 0.5, 0.98)},
    **{f"a bit flipped at {place:.0%}": flip(place) for place in (0.01, 0.137, 0.35, 0.5, 0.771, 0.93, 0.99)},
    "zeros": lambda path, other: path.write_bytes(bytes(path.stat().st_size)),
    "noise": overwrite(bytes(range(256)) * 8),
    "another object": overwrite(b'{"a": 1}'),
    "deep": overwrite(b"[" * 100_000),
    "a number too long": overwrite(b'{"pid": ' + b"9" * 5000 + b"}"),
    "half a character": overwrite(b'{"type": "failed", "reason": "\\ud800"}'),
    "a folder": become_folder,
    "a link to another run's": become_link,
    "a link to itself": become_loop,
    "missing": lambda path, other: path.unlink(),
}


def model(path):
    """The weights in the file; None if it is refused in one sentence."""
    try:
        return load_model(path).state_dict()
    except InputError as error:
        assert "\n" not in str(error)
        return None


def examination(folder):
    """What was found out about the network; None if it is refused in one sentence."""
    try:
        return read_diagnostics(folder)
    except InputError as error:
        assert "\n" not in str(error)
        return None


def files(folder):
    return {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}


def read_everything(home, pattern="*.safetensors"):
    """All that pages and commands read, by run: its row of numbers, status, journal and models (those that fit)."""
    frame = Results(home).frame()
    curves(home.runs())
    statuses = {status.run_id: status for status in Statuses(home).read()}
    found = {}
    for folder in home.runs():
        folder.progress()
        folder.holder()
        weights = {path.name: model(path) for path in folder.path.glob(pattern)}
        row = frame[frame["run_id"] == folder.run_id].reset_index(drop=True)
        found[folder.run_id] = (row, statuses[folder.run_id], folder.events(), weights, examination(folder))
    return found


@pytest.fixture(scope="module")
def undamaged(damaged_never):
    return read_everything(damaged_never)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("which", "name"), FILES, ids=lambda value: value)
def test_no_damage_is_a_traceback_a_wrong_number_or_harm_to_another_run(request, undamaged, which, name, damage):
    home = request.getfixturevalue("home")
    hurt, other = (request.getfixturevalue(run) for run in (which, "pruned" if which == "dense" else "dense"))
    untouched = files(other)
    DAMAGES[damage](hurt.path / name, other.path / name)
    home = Home(home.path)
    found = read_everything(home, name if name.endswith("safetensors") else "no model")
    rows, status, events, weights, examined = found[hurt.run_id]
    good_rows, good_status, good_events, good_weights, good_examined = undamaged[hurt.run_id]
    assert examined in (None, good_examined)
    if name == "examination.json":  # it says nothing about the result
        assert len(rows) == 1
        assert status.state == good_status.state
    if len(rows):  # the moment it finished is the file's time, which a copy does not have
        pd.testing.assert_frame_equal(rows.drop(columns="finished"), good_rows.drop(columns="finished"))
    assert all(event in good_events for event in events) or damage in ("another object", "half a character")
    linked = damage == "a link to another run's"
    for file, tensors in weights.items():
        if tensors is not None and not (linked and file == name):
            assert all(torch.equal(tensors[key], good_weights[file][key]) for key in tensors)
    # Whatever is done next, such as a retry, ends in this run's own folder.
    hurt = home.create(hurt.spec if name != "spec.json" else _spec(hurt, request))
    hurt.append("noted")
    hurt.enqueue()
    load_checkpoint(hurt.path)
    assert hurt.events()[-1]["type"] == "queued"
    assert files(other) == untouched
    assert undamaged[other.run_id][1].state == found[other.run_id][1].state


def _spec(folder, request):
    return next(spec for spec in request.getfixturevalue("specs") if spec.run_id == folder.run_id)


@pytest.mark.parametrize("name", ["checkpoint-0002.pt", "checkpoint-0002.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_used(pruned, dense, name, damage):
    other = dense.path / "result.json"
    DAMAGES[damage](pruned.path / name, other)
    checkpoint, damaged = load_checkpoint(pruned.path)
    assert checkpoint.epoch == 1
    if (damage, name) != ("missing", "checkpoint-0002.json"):  # the manifest is what makes it a checkpoint
        assert damaged == ["checkpoint-0002.pt"]
        assert list(pruned.path.glob("checkpoint-0002.*.damaged"))
    assert load_checkpoint(pruned.path)[0].epoch == 1


FLIPPED = ("result.json", "examination.json", "model.safetensors", "checkpoint-0002.pt", "checkpoint-0002.json")


@pytest.mark.parametrize("name", FLIPPED)
def test_a_flipped_bit_is_found_wherever_it_is(dense, pruned, name):
    """At 60 places. What may pass is a flip in the name of a record's hash, which changes nothing else."""
    folder = dense if name in ("result.json", "examination.json") else pruned
    path, good, good_examined = folder.path / name, folder.result(), examination(folder)
    content = path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 60)):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
        if name == "model.safetensors":
            assert model(path) is None
        elif name == "examination.json":
            assert examination(folder) in (None, good_examined)
        elif name == "result.json":
            with suppress(InputError):
                assert folder.result().to_json().items() >= good.to_json().items()
        elif _read(path.with_suffix(".pt")) is not None:
            assert name.endswith(".json")
            assert b'"record_sha256"' not in path.read_bytes()


def test_a_person_is_told_of_a_damaged_checkpoint_and_the_run_ends_as_it_would_have(impatient, home, pruned, tmp_path):
    whole = Home(shutil.copytree(home.path, tmp_path / "whole")).run(pruned.run_id)
    flip(0.5)(pruned.path / "checkpoint-0002.pt", None)
    assert execute(whole.path) == execute(pruned.path) == State.DONE
    assert pruned.model_path.read_bytes() == whole.model_path.read_bytes()
    kinds = [event["type"] for event in pruned.events()]
    assert "checkpoint_damaged" in kinds
    assert (pruned.path / "checkpoint-0002.pt.damaged").exists()
    assert Results(home).frame()["run_id"].is_unique


def test_a_damaged_result_is_kept_aside_when_the_run_is_retried(dense):
    (dense.path / "result.json").write_text("{")
    dense.enqueue()
    assert dense.state() == State.QUEUED
    assert (dense.path / "result.json.damaged").read_text() == "{"
