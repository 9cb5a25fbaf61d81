"""Deleting moves runs aside, all or none, and never one that is at work or that others need."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.runs.folder import Home, RunFolder, State
from core.runs.lease import Lease
from core.runs.trash import move_back, move_to_trash
from core.spec.errors import InputError
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
from tests.records import write_result

RECIPE = PRESETS["demo"].recipe
DENSE, PRUNED = RunSpec(RECIPE, "dense", 1), RunSpec(RECIPE, "magnitude", 1, 0.9)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path).prepare()
    for spec in (DENSE, PRUNED):
        write_result(home, spec)
    return home


def ids(home: Home) -> set[str]:
    return {folder.run_id for folder in home.runs()}


def test_a_deleted_run_is_gone_and_moving_it_back_undoes_it(home: Home) -> None:
    result = home.run(PRUNED.run_id).result()
    (moved,) = move_to_trash(home, [PRUNED.run_id])
    assert ids(home) == {DENSE.run_id}
    assert moved.parent == home.trash
    move_back(home, {PRUNED.run_id: moved})
    assert home.run(PRUNED.run_id).state() == State.DONE
    assert home.run(PRUNED.run_id).result() == result


def test_what_was_launched_again_or_is_gone_is_not_moved_back(home: Home) -> None:
    ids_before = [PRUNED.run_id, DENSE.run_id]
    moved = dict(zip(ids_before, move_to_trash(home, ids_before), strict=True))
    write_result(home, DENSE)
    with pytest.raises(InputError, match="launched again"):
        move_back(home, moved)
    moved[PRUNED.run_id].rename(home.path / "elsewhere")
    with pytest.raises(InputError, match="not in the trash"):
        move_back(home, {PRUNED.run_id: moved[PRUNED.run_id]})
    assert ids(home) == {DENSE.run_id}


def test_a_run_may_be_made_and_deleted_again(home: Home) -> None:
    for _ in range(3):
        move_to_trash(home, [PRUNED.run_id])
        write_result(home, PRUNED)
    assert len(list(home.trash.iterdir())) == 3


def test_a_dense_run_goes_only_with_those_that_need_it(home: Home) -> None:
    with pytest.raises(InputError, match="delete both"):
        move_to_trash(home, [DENSE.run_id])
    assert ids(home) == {DENSE.run_id, PRUNED.run_id}
    move_to_trash(home, [DENSE.run_id, PRUNED.run_id])
    assert ids(home) == set()


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.CANCELLING])
def test_a_run_that_has_not_ended_stays_and_so_do_the_others(home: Home, state: State) -> None:
    busy = home.create(RunSpec(RECIPE, "magnitude", 1, 0.5))
    busy.append("queued")
    with Lease(busy.path) if state != State.QUEUED else Lease(home.run(DENSE.run_id).path):
        if state != State.QUEUED:
            busy.append("started")
        if state == State.CANCELLING:
            busy.request_cancel()
        assert busy.state() == state
        with pytest.raises(InputError, match="cancel it first"):
            move_to_trash(home, [PRUNED.run_id, busy.run_id])
    assert PRUNED.run_id in ids(home)


def test_a_damaged_run_can_be_deleted(home: Home) -> None:
    home.run(PRUNED.run_id).spec_path.write_text("{")
    move_to_trash(home, [PRUNED.run_id])
    assert ids(home) == {DENSE.run_id}


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "a/b", "", "nothing-like-it"])
def test_what_is_no_run_is_refused(home: Home, name: str) -> None:
    with pytest.raises(InputError):
        move_to_trash(home, [name])
    assert ids(home) == {DENSE.run_id, PRUNED.run_id}


def test_a_run_that_starts_at_the_same_moment_is_not_moved(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had ended when its state was looked at, and somebody has it now."""
    with Lease(home.run(PRUNED.run_id).path):
        monkeypatch.setattr(RunFolder, "state", lambda self: State.DONE)
        with pytest.raises(InputError, match="just been started"):
            move_to_trash(home, [PRUNED.run_id])
    assert PRUNED.run_id in ids(home)
