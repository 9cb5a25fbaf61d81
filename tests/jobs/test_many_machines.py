"""A scheduler and workers on hosts of their own, made from namespaces where that is permitted, and what slurm.sh does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.two_hosts import (
    ROOT,
    SCHEDULER_COMMAND,
    WORKER_COMMAND,
    Host,
    hosts_of,
    refusal,
    two_hosts,
)
from core.jobs.cluster import SCHEDULER_VARIABLE
from core.jobs.queue import Queue
from core.runs.folder import Home, State
from core.runs.lease import STALE_SECONDS
from tests.jobs.clusters import until_gone
from tests.jobs.fake_executor import EXECUTOR, dense, tell, wait_until

Serve = Callable[[str], psutil.Popen]
SUBMIT = (
    "import sys; from pathlib import Path; from core.jobs.queue import Queue; from core.runs.folder import Home;"
    "from tests.jobs.fake_executor import EXECUTOR, dense; queue = Queue(Home(Path(sys.argv[1])), EXECUTOR);"
    "queue.submit([dense(1), dense(2)])"
)


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    if reason := refusal():
        pytest.skip(reason)
    with two_hosts() as hosts:
        yield hosts


def test_when_a_host_dies_the_other_one_goes_on_with_its_run(home: Home, hosts: tuple[Host, Host]) -> None:
    alpha, beta = hosts
    folders = [home.create(dense(seed)) for seed in (1, 2)]
    for folder in folders:
        tell(folder, "hold")
    with (home.cache / "log").open("w") as log:
        alpha.start(*SCHEDULER_COMMAND, stderr=log, stdout=log)
        for host in hosts:
            host.start(*WORKER_COMMAND, stderr=log, stdout=log)
        _wait_for(home.cache / "log", "Executes", 2)
        alpha.run(sys.executable, "-c", SUBMIT, str(home.path))
        for folder in folders:
            wait_until(folder, State.RUNNING)
        assert sorted(hosts_of(folders[0]) + hosts_of(folders[1])) == ["alpha", "beta"]
        (orphan,) = [folder for folder in folders if hosts_of(folder) == ["beta"]]
        beta.kill()
        for folder in folders:
            tell(folder, "")
        assert orphan.state() == State.RUNNING  # seen from elsewhere, as it is here
        os.utime(orphan.path / "attempt-0001", (0, time.time() - STALE_SECONDS - 1))
        for folder in folders:
            assert wait_until(folder, State.DONE, State.FAILED) == State.DONE
    assert hosts_of(orphan) == ["beta", "alpha"]


def _wait_for(log: Path, text: str, times: int) -> None:
    deadline = time.monotonic() + 60
    while log.read_text().count(text) < times:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.fixture
def serve(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A function that starts a scheduler or a worker on this machine and waits until it serves."""
    monkeypatch.setenv(SCHEDULER_VARIABLE, f"tcp://127.0.0.1:{_free_port()}")
    started: list[psutil.Popen] = []

    def start(role: str) -> psutil.Popen:
        log = home.cache / f"{len(started)}.log"
        with log.open("w") as output:
            command = [sys.executable, "-W", "error", "-m", "core.jobs.serve", role]
            started.append(psutil.Popen(command, cwd=ROOT, stdout=output, stderr=output))
        _wait_for(log, "tcp://", 1)
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_when_the_scheduler_is_killed_its_workers_end_and_a_new_cluster_goes_on(home: Home, serve: Serve) -> None:
    scheduler, worker = serve("scheduler"), serve("worker")
    folder = home.create(dense(1))
    tell(folder, "hold")
    Queue(home, EXECUTOR).submit([folder.spec])
    wait_until(folder, State.RUNNING)
    processes = [worker, *worker.children(recursive=True)]
    assert len(processes) > 1
    scheduler.kill()
    until_gone(processes)
    assert folder.state() == State.INTERRUPTED
    tell(folder, "")
    serve("scheduler")
    serve("worker")
    assert Queue(home, EXECUTOR).reconcile() == 1
    assert wait_until(folder, State.DONE, State.FAILED) == State.DONE


def test_a_worker_that_is_told_to_stop_leaves_no_process_behind(home: Home, serve: Serve) -> None:
    serve("scheduler")
    worker = serve("worker")
    folder = home.create(dense(1))
    tell(folder, "hold")
    Queue(home, EXECUTOR).submit([folder.spec])
    wait_until(folder, State.RUNNING)
    processes = [worker, *worker.children(recursive=True)]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    until_gone(processes)
    assert folder.state() == State.INTERRUPTED


@pytest.mark.parametrize(
    ("arguments", "address", "complaint"),
    [
        ([], "tcp://127.0.0.1:1", "give scheduler or worker"),
        (["worker", "tcp://127.0.0.1:1"], "tcp://127.0.0.1:1", "give scheduler or worker"),
        (["worker"], "", "Set PRUNESCOPE_SCHEDULER to the scheduler's address"),
        (["scheduler"], "127.0.0.1", "give an address such as tcp://host:8786"),
        (["scheduler"], "tcp://192.0.2.1:8786", "Cannot listen at tcp://192.0.2.1:8786"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(arguments: list[str], address: str, complaint: str) -> None:
    command = [sys.executable, "-m", "core.jobs.serve", *arguments]
    environment = {**os.environ, SCHEDULER_VARIABLE: address}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2)
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_slurm_script_serves_its_command_and_ends_everything_with_it(home: Home, tmp_path: Path) -> None:
    """With stand-ins for Slurm's own commands, on one node."""
    for name, text in {"scontrol": "echo 127.0.0.1", "srun": 'shift; exec "$@"'}.items():
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\n{text}\n")
        tool.chmod(0o755)
    job = next(port for port in iter(_free_port, None) if 20000 <= port < 40000) - 20000
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PRUNESCOPE_HOME": str(home.path),
        "PRUNESCOPE_PYTHON": sys.executable,
        "SLURM_JOB_NODELIST": "node",
        "SLURM_JOB_ID": str(job),
    }
    command = ["bash", "docs/slurm.sh", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert f"The scheduler listens at tcp://127.0.0.1:{20000 + job}." in done.stdout
    assert "usage: python -m core" in done.stdout
    assert not _processes_of(home)


def _processes_of(home: Home) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PRUNESCOPE_HOME") == str(home.path):
                found.append(process)
        except psutil.Error:
            continue
    return found
