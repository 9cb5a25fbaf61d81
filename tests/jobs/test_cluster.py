"""Clusters coming and going. Each start takes about two seconds: the first tests share one."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from dask.system import CPU_COUNT
from distributed.comm import CommClosedError

from core.jobs import cluster
from core.jobs.cluster import SCHEDULER_VARIABLE, address_path, stop_cluster, with_client
from core.jobs.local_cluster import IDLE_VARIABLE
from core.jobs.queue import Queue
from core.jobs.workers import WORKERS_VARIABLE, cpu_workers, visible_gpus
from core.runs.atomic_io import parse_object
from core.runs.folder import Home, State
from core.runs.lease import STALE_SECONDS
from core.spec.errors import InputError
from tests.jobs.clusters import cluster_processes, cluster_running, until_gone
from tests.jobs.fake_executor import EXECUTOR, dense, tell, wait_until

if TYPE_CHECKING:
    from distributed import Client, Worker

FAKE_GPUS = """\
GPU 0: Fake (UUID: GPU-0)
GPU 1: Fake (UUID: GPU-1)
"""
MIG_INSTANCES = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c)
  MIG 3g.20gb     Device  0: (UUID: MIG-2d4e2ec3)
  MIG 4g.20gb     Device  1: (UUID: MIG-8ae10cf5)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-9a1f0e77)
"""


async def identity(client: Client) -> dict[str, Any]:
    return await client.scheduler.identity()


def fake_gpus(folder: Path, monkeypatch: pytest.MonkeyPatch, listing: str = FAKE_GPUS) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<END\n{listing}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_two_that_start_at_once_get_one_cluster_that_nobody_else_can_reach(shared_home: Home) -> None:
    ask = (
        "import sys; from pathlib import Path; from core.jobs.cluster import with_client; from core.runs.folder import Home;"
        "print(with_client(Home(Path(sys.argv[1])), lambda client: client.scheduler.identity())['address'])"
    )
    command = [sys.executable, "-W", "error", "-c", ask, str(shared_home.path)]
    apps = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    answers = [app.communicate() for app in apps]
    assert answers[0] == answers[1]
    assert answers[0][0].startswith(b"tcp://127.0.0.1:")
    assert answers[0][1] == b""
    processes = cluster_processes(shared_home)
    listening = [c.laddr.ip for p in processes for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
    assert set(listening) == {"127.0.0.1"}
    assert cluster_running(shared_home)


def test_on_a_cpu_the_workers_share_the_threads_and_may_start_processes(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKERS_VARIABLE, "2")
    monkeypatch.setenv("PATH", str(home.path))  # without nvidia-smi
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    workers = list(with_client(home, lambda client: client.run(_describe)).values())
    assert len(workers) == 2
    for nthreads, memory_limit, daemonic, threads, gpus in workers:
        assert gpus == ""  # or all of them would compute on the first GPU
        assert (nthreads, memory_limit) == (1, None)
        assert not daemonic
        assert threads == max(1, CPU_COUNT // len(workers))


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1000", "²"])
def test_a_bad_number_of_workers_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(WORKERS_VARIABLE, text)
    with pytest.raises(InputError, match=WORKERS_VARIABLE):
        cpu_workers()


def test_without_a_word_there_are_no_more_workers_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKERS_VARIABLE)
    assert 1 <= cpu_workers() <= min(CPU_COUNT, 4)


def _describe(dask_worker: Worker) -> tuple[int, int | None, bool, int, str]:
    memory_limit = dask_worker.memory_manager.memory_limit
    daemonic = multiprocessing.current_process().daemon
    threads = int(os.environ["OMP_NUM_THREADS"])
    return dask_worker.state.nthreads, memory_limit, daemonic, threads, os.environ["CUDA_VISIBLE_DEVICES"]


def test_after_the_cluster_was_killed_its_workers_are_gone_and_a_new_queue_finishes_the_work(shared_home: Home) -> None:
    running, waiting = shared_home.create(dense(1)), shared_home.create(dense(2))
    tell(running, "hold")
    Queue(shared_home, EXECUTOR).submit([running.spec, waiting.spec])
    wait_until(running, State.RUNNING)
    processes = cluster_processes(shared_home)
    assert len(processes) >= 2
    processes[0].kill()
    until_gone(processes)
    assert not cluster_running(shared_home)
    assert (running.state(), waiting.state()) == (State.INTERRUPTED, State.QUEUED)
    tell(running, "")
    assert Queue(shared_home, EXECUTOR).reconcile() == 2
    for folder in (running, waiting):
        assert wait_until(folder, State.DONE, State.FAILED) == State.DONE


def test_after_the_machine_was_rebooted_everything_goes_on(shared_home: Home) -> None:
    running, waiting = shared_home.create(dense(4)), shared_home.create(dense(5))
    tell(running, "hold")
    Queue(shared_home, EXECUTOR).submit([running.spec, waiting.spec])
    wait_until(running, State.RUNNING)
    processes = cluster_processes(shared_home)
    for process in processes:
        process.kill()
    until_gone(processes)
    # What the files say is now of another boot: nobody can know of its process numbers, which others may have by now.
    for path in (running.path / "attempt-0001", address_path(shared_home)):
        found = parse_object(path.read_bytes())
        path.write_text(json.dumps({**found, "machine": "an earlier boot", "pid": os.getpid()}))
    tell(running, "")
    assert running.state() == State.RUNNING  # its owner might be on another machine, until its heartbeat is missed
    os.utime(running.path / "attempt-0001", (0, time.time() - STALE_SECONDS - 1))
    assert (running.state(), waiting.state()) == (State.INTERRUPTED, State.QUEUED)
    assert Queue(shared_home, EXECUTOR).reconcile() == 2
    for folder in (running, waiting):
        assert wait_until(folder, State.DONE, State.FAILED) == State.DONE


def test_stopping_interrupts_what_runs_and_says_whether_there_was_a_cluster(shared_home: Home) -> None:
    folder = shared_home.create(dense(3))
    tell(folder, "hold")
    Queue(shared_home, EXECUTOR).submit([folder.spec])
    wait_until(folder, State.RUNNING)
    processes = cluster_processes(shared_home)
    assert stop_cluster(shared_home)
    until_gone(processes)
    assert folder.state() == State.INTERRUPTED
    assert not cluster_running(shared_home)
    assert not address_path(shared_home).exists()
    assert not stop_cluster(shared_home)


def test_an_idle_cluster_ends_by_itself_and_leaves_nothing_behind(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IDLE_VARIABLE, "1")
    folder = home.create(dense(1))
    tell(folder, "hold")
    Queue(home, EXECUTOR).submit([folder.spec])
    wait_until(folder, State.RUNNING)
    processes = cluster_processes(home)
    time.sleep(1.5)  # longer than it may be idle
    assert folder.state() == State.RUNNING
    tell(folder, "")
    wait_until(folder, State.DONE)
    until_gone(processes)
    assert not address_path(home).exists()
    assert "ERROR" not in (home.cache / "cluster.log").read_text()


def test_each_gpu_has_a_worker_and_its_share_of_the_threads(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_gpus(tmp_path, monkeypatch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    folders = [home.create(dense(seed)) for seed in (1, 2)]
    for folder in folders:
        tell(folder, "hold")
    Queue(home, EXECUTOR).submit([folder.spec for folder in folders])
    for folder in folders:
        wait_until(folder, State.RUNNING)  # both at once
    deadline = time.monotonic() + 30
    started: list[dict[str, Any]] = []
    while len(started) < 2 and time.monotonic() < deadline:  # a run has its owner a moment before its journal says so
        started = [event for folder in folders for event in folder.events() if event["type"] == "started"]
    assert {event["CUDA_VISIBLE_DEVICES"] for event in started} == {"0", "1"}
    assert {int(event["OMP_NUM_THREADS"]) for event in started} == {max(1, CPU_COUNT // 2)}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, ["0", "1"]),
        ("1", ["1"]),
        ("1, 0", ["1", "0"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        ("GPU-1", ["GPU-1"]),
    ],
)
def test_only_visible_gpus_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: list[str]
) -> None:
    fake_gpus(tmp_path, monkeypatch)
    if chosen is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == expected


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, ["MIG-2d4e2ec3", "MIG-8ae10cf5", "GPU-9a1f0e77"]),
        ("MIG-8ae10cf5,MIG-2d4e2ec3", ["MIG-8ae10cf5", "MIG-2d4e2ec3"]),
    ],
)
def test_each_mig_instance_counts_as_a_gpu_and_the_divided_gpu_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: list[str]
) -> None:
    fake_gpus(tmp_path, monkeypatch, MIG_INSTANCES)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    if chosen:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == expected


def test_without_a_driver_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert visible_gpus() == []


def test_a_cluster_that_cannot_start_is_one_sentence_and_a_log(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IDLE_VARIABLE, "soon")
    with pytest.raises(InputError, match=r"could not be started: .*cluster\.log") as error:
        with_client(home, identity)
    assert "\n" not in str(error.value)
    assert f"{IDLE_VARIABLE} = 'soon' is not accepted" in (home.cache / "cluster.log").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    "address", ["localhost", "tcp://", "tcp://host", "http://host:80", "tcp://host:port", "tcp://h:1\n"]
)
def test_a_malformed_scheduler_address_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(SCHEDULER_VARIABLE, address + "x")
    with pytest.raises(InputError, match="is not accepted: give an address such as tcp://host:8786") as error:
        with_client(home, identity)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("answer", [None, b"", b"SSH-2.0-OpenSSH_9.6\r\n"], ids=["closed", "silent", "ssh"])
def test_where_no_scheduler_answers_the_address_is_named_within_seconds(
    home: Home, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if answer is not None:
            server.listen()
            threading.Thread(target=_answer, args=(server, answer), daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv(SCHEDULER_VARIABLE, address)
        monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1.0)
        began = time.monotonic()
        with pytest.raises(InputError, match=f"No scheduler answers at {SCHEDULER_VARIABLE} = {address}: ") as error:
            with_client(home, identity)
    assert time.monotonic() - began < 20  # not for ever; the first time Dask is loaded too
    assert "\n" not in str(error.value)


def _answer(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(answer)
        connection.recv(2**20)  # what the client says at once
        connection.recv(1)  # its end


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A scheduler with a worker that PRUNESCOPE_SCHEDULER names, started in this folder, or in another if the parameter
    says so; the process that both are in."""
    folder = tmp_path if getattr(request, "param", "") == "in another folder" else Path.cwd()
    serve = (
        "import asyncio; from distributed import Scheduler, Worker\n"
        "async def main():\n"
        "    options = {'host': '127.0.0.1', 'dashboard_address': '127.0.0.1:0'}\n"
        "    async with Scheduler(dashboard=False, **options) as scheduler:\n"
        "        async with Worker(scheduler.address, nthreads=1, **options):\n"
        "            print(scheduler.address, flush=True)\n"
        "            await scheduler.finished()\n"
        "asyncio.run(main())"
    )
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", serve], env=environment, cwd=folder, **options) as server:
        try:
            monkeypatch.setenv(SCHEDULER_VARIABLE, server.stdout.readline().strip())
            yield server.pid
        finally:
            server.kill()


def test_a_named_scheduler_is_used_if_its_workers_share_the_home(home: Home, elsewhere: int) -> None:
    folder = home.create(dense(1))
    Queue(home, EXECUTOR).submit([folder.spec])
    assert wait_until(folder, State.DONE, State.FAILED) == State.DONE
    assert [event["pid"] for event in folder.events() if event["type"] == "started"] == [elsewhere]
    assert not cluster_running(home)
    with pytest.raises(InputError, match=r"does not see .*/not-there/checkpoints: both computers must share it"):
        with_client(Home(home.path / "not-there"), identity)


@pytest.mark.parametrize("elsewhere", ["in another folder"], indirect=True)
@pytest.mark.usefixtures("elsewhere")
def test_a_scheduler_that_cannot_load_our_code_is_refused(home: Home) -> None:
    with pytest.raises(InputError, match=r"cannot load PruneScope \(No module named 'core'\): start it in"):
        Queue(home, EXECUTOR).submit([dense(1)])
    assert home.create(dense(1)).state() == State.QUEUED


def test_a_worker_that_dies_while_it_is_asked_hinders_nobody(
    home: Home, elsewhere: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked whether it sees the folder; the others do, and one that is gone needs to see nothing."""

    async def unreachable(*_: object, **__: object) -> dict[str, Exception]:
        return {"tcp://10.9.9.9:1": CommClosedError("Stream is closed")}

    monkeypatch.setattr("distributed.Client.run", unreachable)
    folder = home.create(dense(1))
    Queue(home, EXECUTOR).submit([folder.spec])
    assert wait_until(folder, State.DONE, State.FAILED) == State.DONE
