"""How fast the app answers, with 1,000 and 10,000 runs: ``python -m benchmarks.app [--runs 1000 10000] [--moves 15]``.

A real server is started over made-up records, and asked over its websocket as a browser would: what is measured is the
time from the request to the last byte of the answer, without a browser's drawing. "Uncached" is the plain way to
answer: read every record from the disk at each move.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from tornado.websocket import WebSocketClientConnection, websocket_connect

from core.results.frame import Results
from core.runs.folder import Home
from core.spec.grid import study_runs
from core.spec.methods import METHODS
from core.spec.presets import build_recipe
from tests.records import write_result

ROOT = Path(__file__).resolve().parents[1]
SPARSITIES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
SESSIONS = 10
MAX_MESSAGE_BYTES = 200 << 20


def make_records(home: Home, count: int) -> int:
    """About ``count`` finished runs of one study with every method; how many there are."""
    methods = list(METHODS)
    seeds = range(1, 1 + max(1, round(count / (1 + len(methods) * (len(SPARSITIES) - 1)))))
    parts = [study_runs(build_recipe("demo"), [method], SPARSITIES, seeds) for method in methods]
    specs = {spec.run_id: spec for part in parts for spec in part}
    sync, os.fsync = os.fsync, lambda _: None  # made-up records may be lost
    try:
        for spec in specs.values():
            write_result(home, spec)
    finally:
        os.fsync = sync
    return len(specs)


@contextmanager
def server(home: Home) -> Iterator[tuple[str, psutil.Process, float]]:
    """The app over ``home``: its address, its process, and how many seconds it took to start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, "PRUNESCOPE_HOME": str(home.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while True:
            with suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1).read()
                break
            time.sleep(0.02)
        yield f"localhost:{port}", psutil.Process(process.pid), time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass
class Session:
    """A browser without a screen: it sends what a browser sends, and takes in all that comes back."""

    connection: WebSocketClientConnection
    widgets: dict[str, float] = field(default_factory=dict)
    slider: str = ""
    fragment: str = ""
    received: int = 0

    @classmethod
    async def open(cls, address: str) -> Session:
        connection = await websocket_connect(
            f"ws://{address}/_stcore/stream", subprotocols=["streamlit"], max_message_size=MAX_MESSAGE_BYTES
        )
        return cls(connection)

    async def first_page(self) -> float:
        """Seconds until the Compare page is there."""
        began = time.perf_counter()
        message = BackMsg()
        message.rerun_script.query_string = ""
        await self.connection.write_message(message.SerializeToString(), binary=True)
        await self._until_finished()
        if not self.slider:
            raise RuntimeError("the page has no slider")
        return time.perf_counter() - began

    async def move(self, sparsity: float) -> float:
        """Seconds until all that follows the slider is there."""
        began = time.perf_counter()
        message = BackMsg()
        message.rerun_script.fragment_id = self.fragment
        state = message.rerun_script.widget_states.widgets.add()
        state.id = self.slider
        state.double_array_value.data.append(sparsity)
        await self.connection.write_message(message.SerializeToString(), binary=True)
        await self._until_finished()
        return time.perf_counter() - began

    async def _until_finished(self) -> None:
        while True:
            raw = await self.connection.read_message()
            if raw is None:
                raise RuntimeError("the server has closed the connection")
            self.received += len(raw)
            message = ForwardMsg()
            message.ParseFromString(raw if isinstance(raw, bytes) else raw.encode())
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.new_element.WhichOneof("type") == "slider":
                self.slider, self.fragment = message.delta.new_element.slider.id, message.delta.fragment_id
            if kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
                raise RuntimeError(message.delta.new_element.exception.message)
            if kind == "script_finished":
                return


@dataclass
class Timings:
    """Seconds of each request, and of processor time that the server spent on one on average."""

    seconds: list[float]
    cpu: float


async def measure(address: str, process: psutil.Process, moves: int) -> tuple[dict[str, Timings], float]:
    """The first page of all, another browser's, slider moves alone and of ten sessions at once; bytes of a move."""
    found: dict[str, Timings] = {}

    async def record(name: str, rounds: Iterable[list[Awaitable[float]]]) -> None:
        before, seconds = sum(process.cpu_times()[:2]), list[float]()
        for requests in rounds:
            seconds += await asyncio.gather(*requests)
        found[name] = Timings(seconds, (sum(process.cpu_times()[:2]) - before) / len(seconds))

    first, second = await Session.open(address), await Session.open(address)
    await record("first page of all", [[first.first_page()]])
    await record("another browser's first page", [[second.first_page()]])
    steps = [round(0.5 + 0.4 * step / moves, 2) for step in range(moves)]
    before = second.received
    await record("slider move", ([second.move(step)] for step in steps))
    size = (second.received - before) / moves
    many = [await Session.open(address) for _ in range(SESSIONS)]
    await record(f"first page, {SESSIONS} at once", [[session.first_page() for session in many]])
    together = ([session.move(step) for session in many] for step in steps[: max(3, moves // 3)])
    await record(f"slider move, {SESSIONS} at once", together)
    return found, size


def read_uncached(home: Home, times: int = 1) -> list[float]:
    """Seconds for reading every record from the disk."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        Results(home).frame()
        found.append(time.perf_counter() - began)
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--moves", type=int, default=15)
    options = parser.parse_args(arguments)
    names = ("streamlit", "pandas", "altair")
    versions = " · ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    print(f"{psutil.cpu_count()} × {processor()} · Python {platform.python_version()} · {versions}")
    print(f"running processes before this one, mean of a minute: {psutil.getloadavg()[0]:.1f}\n")
    print("| Runs | What | Median (ms) | 95 % below (ms) | Processor time (ms) | Uncached / median |")
    print("|---:|---|---:|---:|---:|---:|")
    for count in options.runs:
        folder = Path(tempfile.mkdtemp(prefix="prunescope-app-"))
        try:
            home = Home(folder).prepare()
            real = make_records(home, count)
            uncached = statistics.median(read_uncached(home))
            with server(home) as (address, process, started):
                print(f"| {real:,} | server answers at all | {1e3 * started:,.0f} | | | |")
                found, size = asyncio.run(measure(address, process, options.moves))
            for name, one in found.items():
                high = sorted(one.seconds)[int(0.95 * (len(one.seconds) - 1))]
                median = statistics.median(one.seconds)
                times = f"{1e3 * median:,.0f} | {1e3 * high:,.0f} | {1e3 * one.cpu:,.0f}"
                print(f"| {real:,} | {name} | {times} | {uncached / median:.1f} |")
            note = f"reading every record uncached; a slider move sends {size / 1e3:,.0f} kB"
            print(f"| {real:,} | {note} | {1e3 * uncached:,.0f} | | | 1.0 |", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def processor() -> str:
    """The processor's name, as far as the system tells."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
