"""The main job in a real browser: launch, watch, compare, download; close, kill and cancel on the way."""

import csv
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from playwright.sync_api import expect

from core.runs.folder import State
from tests.e2e.steps import choose, fill, open_page, select, settle, wait_until

pytestmark = pytest.mark.e2e


def prepare_small_study(page, url, pictures, epochs="2", sparsities="0.9"):
    """On the Launch page: a thin network on a few pictures, which takes seconds."""
    page.goto(f"{url}/launch")
    expect(page.get_by_role("heading", name="Launch a study")).to_be_visible()
    settle(page)
    select(page, "Data", "My own folder")
    fill(page, "textbox", "Folder", str(pictures))
    page.get_by_text("Advanced settings").click()
    fill(page, "spinbutton", "Width", "4")
    fill(page, "spinbutton", "Dense epochs", epochs)
    fill(page, "spinbutton", "Fine-tuning epochs", "1")
    fill(page, "spinbutton", "Batch size", "32")
    fill(page, "textbox", "Sparsities", sparsities)


def states(server):
    return {folder.run_id: folder.state() for folder in server.home.runs()}


def test_from_the_first_page_to_the_downloaded_csv(server, page, pictures, tmp_path):
    page.goto(server.url)
    expect(page.get_by_role("heading", name="Compare pruning methods")).to_be_visible()
    expect(page.get_by_text("This is the sample study that comes with PruneScope")).to_be_visible()
    page.get_by_role("link", name="Launch a study of your own").click()
    expect(page.get_by_role("heading", name="Launch a study")).to_be_visible()

    prepare_small_study(page, server.url, pictures, sparsities="0.7, 0.9")
    expect(page.get_by_text("1 dense run and 6 pruned runs")).to_be_visible()
    page.get_by_role("button", name="Launch 7 runs").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    wait_until(page, lambda: State.RUNNING in states(server).values())
    progress_moves(page, server)
    page.reload()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    wait_until(page, lambda: set(states(server).values()) == {State.DONE})
    expect(page.get_by_text("7 done")).to_be_visible()

    page.get_by_role("link", name="Compare", exact=True).first.click()
    expect(page.get_by_role("heading", name="Compare pruning methods")).to_be_visible()
    expect(page.get_by_text("Efficiency table")).to_be_visible()
    slider = page.get_by_role("slider").first
    slider.focus()
    for _ in range(10):
        slider.press("ArrowLeft")
    expect(page.get_by_text("interpolated").first).to_be_visible()
    assert "sparsity=0.8" in page.url

    page.wait_for_timeout(2_000)  # the last step of the slider may still be drawn, and a click meanwhile is lost
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    download.value.save_as(tmp_path / "table.csv")
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert len(rows) == 7
    assert {row["method"] for row in rows} == {"Dense", "Magnitude", "Structured", "Lottery ticket"}
    (structured,) = (row for row in rows if row["method"] == "Structured" and float(row["sparsity"]) == 0.9)
    assert float(structured["reached_sparsity"]) == pytest.approx(0.9, abs=0.01)
    assert float(structured["mac_ratio"]) > 2
    the_network_can_be_taken_along(server, page, tmp_path)
    never_loaded_torch(server)


def progress_moves(page, server):
    """Without a click, what the page says of the runs changes."""
    place = page.get_by_test_id("stMain")
    before = place.inner_text()
    wait_until(page, lambda: place.inner_text() != before)


def the_network_can_be_taken_along(server, page, folder):
    """As ONNX, which runs without PruneScope and says the same as the network did here."""
    run = next(run for run in server.home.runs() if run.spec.method == "structured" and run.spec.sparsity == 0.9)
    size = run.spec.recipe.size
    open_page(page, f"{server.url}/model?run={run.run_id}&section=download", "Model")
    page.locator(".st-key-make-onnx button").click()
    button = page.locator("[class*='st-key-download'][class*='onnx'] button")
    expect(button).to_be_visible()
    page.wait_for_timeout(1_000)
    with page.expect_download() as found:
        button.click()
    found.value.save_as(folder / "network.onnx")
    session = onnxruntime.InferenceSession(str(folder / "network.onnx"), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    (scores,) = session.run(None, {given.name: np.zeros((2, 3, size, size), np.float32)})
    assert scores.shape == (2, 3)
    assert np.isfinite(scores).all()


def never_loaded_torch(server):
    """After every page was drawn, runs were submitted and results shown."""
    loaded = Path(f"/proc/{server.process.pid}/maps")
    if loaded.exists():  # only Linux tells what a process has loaded
        assert "libtorch" not in loaded.read_text()


def test_a_network_of_ones_own_is_imported_pruned_and_taken_along_and_again_there_is_nothing_to_do(
    server, page, pictures, tmp_path
):
    for _ in range(2):
        page.goto(f"{server.url}/launch")
        settle(page)
        select(page, "Data", "My own folder")
        fill(page, "textbox", "Folder", str(pictures))
        choose(page, "48x48", "48x48")
        select(page, "Network", "small (mine.py)")
        select(page, "Dense network", "small.safetensors")
        fill(page, "textbox", "Sparsities", "0.9")
        expect(page.get_by_text("goes on from imported weights")).to_be_visible()
        choose(page, "Magnitude", "Magnitude", "Lottery ticket")
        launch = page.get_by_role("button", name=re.compile("Launch 2 runs"))
        done = page.get_by_text("All of these runs are done.")
        expect(launch.or_(done)).to_be_visible()
        if launch.is_visible():
            launch.click()
            wait_until(page, lambda: set(states(server).values()) == {State.DONE})
    expect(page.get_by_text("All of these runs are done.")).to_be_visible()
    for folder in server.home.runs():
        assert [event["type"] for event in folder.events()].count("started") == 1
    the_network_can_be_taken_along(server, page, tmp_path)


def test_a_run_goes_on_when_the_app_is_killed_and_stops_when_cancelled(server, page, pictures):
    prepare_small_study(page, server.url, pictures, epochs="5000")
    choose(page, "Magnitude", "Structured", "Lottery ticket")
    page.get_by_role("button", name="Launch 2 runs").click()
    (dense,) = (wait_for_dense(page, server),)
    wait_until(page, lambda: dense.state() == State.RUNNING)
    server.kill()
    before = len(dense.events())
    wait_until(page, lambda: len(dense.events()) > before + 2)  # it trains on with nobody looking
    server.start()
    page.goto(f"{server.url}/runs")  # a page's own address is the first that the new server is asked for
    expect(page.get_by_text("1 running")).to_be_visible()
    page.get_by_role("button", name="Cancel all").click()
    wait_until(page, lambda: set(states(server).values()) == {State.CANCELLED})
    expect(page.get_by_text("2 cancelled")).to_be_visible()
    assert [event["type"] for event in dense.events()].count("started") == 1
    expect(page.get_by_role("button", name="Retry all")).to_have_count(0)  # what was cancelled stays so
    before = len(dense.events())
    page.get_by_role("button", name="Undo").click()
    wait_until(page, lambda: dense.state() == State.RUNNING and len(dense.events()) > before + 3)  # it trains again
    page.get_by_role("button", name="Cancel all (2)").click()
    wait_until(page, lambda: set(states(server).values()) == {State.CANCELLED})


def wait_for_dense(page, server):
    wait_until(page, lambda: any("dense" in run_id for run_id in states(server)))
    return next(folder for folder in server.home.runs() if "dense" in folder.run_id)


def test_a_failed_run_says_why_and_bad_input_is_a_sentence(server, page, tmp_path):
    page.goto(f"{server.url}/launch")
    settle(page)
    select(page, "Data", "My own folder")
    expect(page.get_by_text("Give the folder that holds the pictures.")).to_be_visible()
    fill(page, "textbox", "Folder", "/does/not/exist")
    expect(page.get_by_text("a folder that exists")).to_be_visible()
    for split in ("train", "test"):
        for name in ("cats", "dogs"):
            (tmp_path / "empty" / split / name).mkdir(parents=True)
    fill(page, "textbox", "Folder", str(tmp_path / "empty"))
    page.get_by_role("button", name="Launch 10 runs").click()
    expect(page.get_by_text("10 failed")).to_be_visible()
    expect(page.get_by_text("/cats has no pictures: give at least one in every class.").first).to_be_visible()
    expect(page.get_by_text("9 more failed with it")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)
    for split in ("train", "test"):
        for name in ("cats", "dogs"):
            for index in range(8):
                colour = (200, 20 * index, 0) if name == "cats" else (0, 20 * index, 200)
                Image.new("RGB", (32, 32), colour).save(tmp_path / "empty" / split / name / f"{index}.png")
    page.get_by_role("button", name="Retry all (10)").click()
    wait_until(page, lambda: State.RUNNING in states(server).values())
    page.get_by_role("button", name=re.compile("Cancel all")).click()
    wait_until(page, lambda: not {State.RUNNING, State.QUEUED, State.CANCELLING} & set(states(server).values()))
    assert State.FAILED not in states(server).values()
