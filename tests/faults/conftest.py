"""A small home for tests that damage it: a dense run that is done, and a pruned one that was killed before its result."""

import shutil

import pytest

from benchmarks.kill_loop import tiny_study
from core.engine import execute as execute_module
from core.engine.execute import execute
from core.runs.atomic_io import with_checksum, write_json
from core.runs.folder import Home, State
from core.runs.lease import identity


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the engine catches it."""


def die(*args, **kwargs):
    raise Killed


@pytest.fixture(scope="session")
def specs(tmp_path_factory):
    """A dense run, and one pruned from it: of about a second each."""
    return tiny_study(tmp_path_factory.mktemp("pictures") / "tiny")[:2]


@pytest.fixture(scope="session")
def damaged_never(tmp_path_factory, specs):
    """The home that the others are copies of."""
    home = Home(tmp_path_factory.mktemp("home")).prepare()
    dense, pruned = map(home.create, specs)
    with pytest.MonkeyPatch.context() as patch:
        be_impatient(patch)
        assert execute(dense.path) == State.DONE
        patch.setattr(execute_module, "build_result", die)
        with pytest.raises(Killed):
            execute(pruned.path)
    pruned.report_progress(phase="finetune", fraction=0.5)
    write_json(pruned.path / "attempt-0001", with_checksum({**identity(), "born": -1.0}))  # of a process that is gone
    return home


@pytest.fixture
def home(tmp_path, damaged_never):
    """A copy to damage."""
    shutil.copytree(damaged_never.path, tmp_path / "home")
    return Home(tmp_path / "home")


@pytest.fixture
def dense(home, specs):
    return home.run(specs[0].run_id)


@pytest.fixture
def pruned(home, specs):
    return home.run(specs[1].run_id)


@pytest.fixture
def impatient(monkeypatch):
    be_impatient(monkeypatch)


def be_impatient(patch):
    """Save after every epoch and measure for a moment, where a real run takes its time."""
    patch.setattr("core.engine.train.CHECKPOINT_SECONDS", -1.0)
    patch.setattr("core.engine.result.FULL_SECONDS", 0.005)
    patch.setattr("core.engine.result.QUICK_SECONDS", 0.005)
