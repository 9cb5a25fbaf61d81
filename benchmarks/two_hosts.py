"""A small study on two hosts that share a folder; one of them dies in the middle, and every result arrives all the same.

    python -m benchmarks.two_hosts

Both hosts are made on this machine from Linux namespaces: each has its own host name, network, process numbers and cable.
Needs root, or in front of it: unshare --user --map-root-user --net. Prints who executed what. Read it so: a run with more
than one host was being executed when the first one died, and the second one went on with it. Takes about three minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from core.jobs.cluster import SCHEDULER_VARIABLE
from core.jobs.workers import WORKERS_VARIABLE
from core.runs.folder import Home, RunFolder, State

ROOT = Path(__file__).resolve().parents[1]
ADDRESSES = {"alpha": "10.77.0.1", "beta": "10.77.0.2"}
SCHEDULER = f"tcp://{ADDRESSES['alpha']}:8786"
ENVIRONMENT = {SCHEDULER_VARIABLE: SCHEDULER, WORKERS_VARIABLE: "1", "CUDA_VISIBLE_DEVICES": ""}
SCHEDULER_COMMAND = (sys.executable, "-m", "core.jobs.serve", "scheduler")
WORKER_COMMAND = (sys.executable, "-m", "core.jobs.serve", "worker")
STUDY = (
    *("study", "--preset", "demo", "--width", "4", "--epochs", "1", "--finetune-epochs", "1"),
    *("--methods", "magnitude", "structured", "--sparsities", "0.5", "0.9", "--seeds", "1", "2"),
)
UNSHARE = ("unshare", "--uts", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
DONE_BEFORE_THE_END = 3  # runs that are done when beta dies
MAX_SECONDS = 900.0


def refusal() -> str:
    """Why there can be no such hosts here, empty if there can be."""
    if not all(map(shutil.which, ("unshare", "nsenter", "ip", "hostname"))):
        return "Hosts on one machine need Linux with unshare, nsenter, ip and hostname."
    try:
        with two_hosts():
            return ""
    except (OSError, subprocess.SubprocessError):
        return "This system does not permit namespaces: run it as root, or after unshare --user --map-root-user --net."


class Host:
    """A host of its own: a name, a network, process numbers. Killing it kills everything on it."""

    def __init__(self, name: str) -> None:
        self.name = name
        setup = f"hostname {name} && ip link set lo up && echo ready && exec sleep infinity"
        self._holder = subprocess.Popen([*UNSHARE, "sh", "-c", setup], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._holder.stdout is not None
        if not self._holder.stdout.readline():
            self._holder.communicate()
            raise OSError(f"{name} could not be made")
        (self._first,) = psutil.Process(self._holder.pid).children()  # process 1 of its own numbers
        self.pid = self._first.pid
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *command: str, **options: object) -> subprocess.Popen[str]:
        """A process on this host, in the project's folder."""
        enter = ("nsenter", "--target", str(self.pid), "--uts", "--net", "--pid", "--mount")
        change = ("sh", "-c", 'cd "$0" && exec "$@"', str(ROOT))
        environment = {**os.environ, **ENVIRONMENT}
        environment.pop("OMP_NUM_THREADS", None)
        process = subprocess.Popen([*enter, *change, *command], env=environment, text=True, **options)
        self._started.append(process)
        return process

    def run(self, *command: str) -> None:
        process = self.start(*command)
        if process.wait(60):
            raise subprocess.CalledProcessError(process.returncode, command)

    def disconnect(self) -> None:
        """From now on nobody hears from it: not even that its connections are closed."""
        self.run("ip", "link", "set", "cable", "down")

    def kill(self) -> None:
        """Kill every process on it; they are gone afterwards."""
        if self._holder.poll() is None:
            self._first.kill()  # the system kills all others with it
            self._holder.communicate()
            for process in self._started:
                process.wait()


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Hosts alpha and beta with a cable between them; gone afterwards. OSError where that is not permitted."""
    hosts = []
    try:
        for name in ADDRESSES:
            hosts.append(Host(name))
        ends = [("cable", "netns", str(host.pid)) for host in hosts]
        command = ["ip", "link", "add", *ends[0], "type", "veth", "peer", "name", *ends[1]]
        subprocess.run(command, check=True, capture_output=True)
        for host, other in ((hosts[0], hosts[1]), (hosts[1], hosts[0])):
            # The addresses are not the cable's: when one host is gone, so are both ends of it.
            host.run("ip", "address", "add", ADDRESSES[host.name], "dev", "lo")
            host.run("ip", "link", "set", "cable", "up")
            host.run("ip", "route", "add", ADDRESSES[other.name], "dev", "cable", "src", ADDRESSES[host.name])
        yield hosts[0], hosts[1]
    finally:
        for host in hosts:
            host.kill()


def hosts_of(folder: RunFolder) -> list[str]:
    """On which hosts the run was executed, by attempt."""
    return [str(json.loads(path.read_bytes())["host"]) for path in sorted(folder.path.glob("attempt-*"))]


def main() -> int:
    """Run the study; 0 if every result arrived."""
    reason = refusal()
    if reason:
        print(reason, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="two-hosts-") as shared, two_hosts() as (alpha, beta):
        home = Home(Path(shared)).prepare()
        with (home.cache / "study.log").open("w") as log:
            quiet = {"stdout": log, "stderr": log}
            alpha.start(*SCHEDULER_COMMAND, **quiet)
            for host in (alpha, beta):
                host.start(*WORKER_COMMAND, **quiet)
            time.sleep(15)  # the study would wait for no scheduler
            study = alpha.start(sys.executable, "-m", "core", *STUDY, "--home", shared, **quiet)
            _kill_in_the_middle(home, beta, study)
            status = study.wait(MAX_SECONDS)
        _print_table(home.runs())
        if status:
            print((home.cache / "study.log").read_text(), file=sys.stderr)
        return status


def _kill_in_the_middle(home: Home, beta: Host, study: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    while study.poll() is None and time.monotonic() - began < MAX_SECONDS:
        states = {folder: folder.state() for folder in home.runs()}
        there = [run for run, state in states.items() if state == State.RUNNING and hosts_of(run)[-1:] == [beta.name]]
        if there and list(states.values()).count(State.DONE) >= DONE_BEFORE_THE_END:
            beta.disconnect()
            beta.kill()
            print(
                f"After {time.monotonic() - began:.0f} s beta is dead; it was executing {there[0].run_id}.\n",
                flush=True,
            )
            return
        time.sleep(0.1)


def _print_table(runs: Sequence[RunFolder]) -> None:
    print(f"{'run':50} {'state':12} {'hosts':16} test accuracy")
    for run in runs:
        result = run.result()
        accuracy = result.test_accuracy if result else "-"
        print(f"{run.run_id:50} {run.state():12} {' '.join(hosts_of(run)):16} {accuracy}")
    done = sum(run.state() == State.DONE for run in runs)
    print(f"\n{done} of {len(runs)} results arrived.")


if __name__ == "__main__":
    sys.exit(main())
