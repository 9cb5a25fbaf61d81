"""A real server, a real browser and a small folder of pictures."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from core.jobs.cluster import stop_cluster
from core.runs.folder import Home
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.own.mine import small
from tests.records import write_result

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


OWN = ROOT / "tests" / "own"  # a network that is none of PruneScope's


class Server:
    """The app on a port of its own, over a home of its own; it can be killed and started again."""

    def __init__(self, home):
        self.home = Home(home)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        self.process = None
        weights = self.home.path / "weights" / "small.safetensors"
        weights.parent.mkdir(parents=True)
        save_file(small(3).state_dict(), weights)

    def start(self):
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
        self.process = subprocess.Popen(
            [*command, "--server.port", str(self.port)],
            cwd=ROOT,
            env={
                **os.environ,
                "PRUNESCOPE_HOME": str(self.home.path),
                "PRUNESCOPE_IDLE_SECONDS": "60",
                "PRUNESCOPE_NETWORKS": str(OWN),
                "PRUNESCOPE_WEIGHTS": str(self.home.path / "weights"),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2):
                return
            time.sleep(0.1)
        raise AssertionError("the app did not start")

    def kill(self):
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def server(tmp_path):
    found = Server(tmp_path / "home")
    try:
        found.start()
        yield found
    finally:
        try:
            found.kill()
        finally:
            stop_cluster(found.home)


@pytest.fixture(scope="module")
def browser():
    """Closed before other tests go on: while it is open, Playwright keeps an event loop running in this thread."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("PRUNESCOPE_REQUIRE_BROWSER"):
            pytest.fail("these tests need Chromium, and there is none")
        pytest.skip("needs Chromium: install it to run the tests that drive a browser")
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415

    expect.set_options(timeout=60_000)  # on a busy machine everything comes, but late
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Three classes that can be told apart by colour, in a folder laid out as the app wants it."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("test", 20)):
        for channel, name in enumerate(("red", "green", "blue")):
            (folder / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 150, (32, 32, 3), dtype=np.uint8)
                pixels[..., channel] += 100
                Image.fromarray(pixels).save(folder / split / name / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """A server over two studies and a run that failed; nothing is trained."""
    server = Server(tmp_path_factory.mktemp("gallery"))
    home = server.home.prepare()
    recipe, other = build_recipe("demo"), build_recipe("demo", width=12)
    now = time.time()
    for each, methods, finished in ((other, ["magnitude"], now - 60), (recipe, ["magnitude", "structured"], now)):
        for spec in study_runs(each, methods, [0.0, 0.5, 0.9], (1, 2)):
            os.utime(write_result(home, spec).result_path, (finished, finished))  # the newest study is shown first
    home.create(RunSpec(recipe, "dense", 3)).append("failed", reason="The disk is full.")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def visit(browser):
    """A page in a window of its own, as ``visit(width=..., color_scheme=...)``."""
    contexts = []

    def open_window(width=1440, **options):
        context = browser.new_context(viewport={"width": width, "height": 1000}, **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        return context.new_page()

    yield open_window
    for context in contexts:
        context.close()
