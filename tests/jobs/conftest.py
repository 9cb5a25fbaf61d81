from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs.cluster import SCHEDULER_VARIABLE, stop_cluster
from core.jobs.local_cluster import IDLE_VARIABLE
from core.jobs.workers import WORKERS_VARIABLE
from core.runs.folder import Home


@pytest.fixture(autouse=True, scope="session")
def surroundings() -> Iterator[None]:
    """No test uses a real cluster or GPU, and none leaves a process behind for long, even when it is killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(SCHEDULER_VARIABLE, raising=False)
        patch.delenv("OMP_NUM_THREADS", raising=False)
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.setenv(IDLE_VARIABLE, "30")
        patch.setenv(WORKERS_VARIABLE, "1")  # tests of the queue know what runs and what waits
        yield


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose cluster, once started, serves all tests of the module."""
    home = Home(tmp_path_factory.mktemp("home")).prepare()
    yield home
    stop_cluster(home)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home of the test's own."""
    home = Home(tmp_path).prepare()
    yield home
    stop_cluster(home)
