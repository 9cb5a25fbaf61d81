"""Every file of the Report page, taken along by a browser and opened with what it is meant for."""

import csv
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.e2e.steps import download, open_page
from tests.latex import latex_page

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"
COLOURS = {"Magnitude": (0x00, 0x72, 0xB2), "Structured": (0xD5, 0x5E, 0x00)}


@pytest.fixture(scope="module")
def files(gallery, browser, tmp_path_factory):
    """The ZIP of everything, unpacked."""
    folder = tmp_path_factory.mktemp("downloads")
    context = browser.new_context(accept_downloads=True)
    context.set_default_timeout(120_000)
    page = context.new_page()
    open_page(page, f"{gallery.url}/report?part=tables", "Report")
    packed = download(page, "Everything as ZIP", folder)
    for name in ("Report (English)", "보고서 (한국어)", "Table, CSV"):
        download(page, name, folder)
    context.close()
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    for single in ("report.md", "report.ko.md", "efficiency_table.csv"):  # alone and in the ZIP they are the same
        assert (folder / single).read_bytes() == (unpacked / single).read_bytes()
    return unpacked


def test_tables_and_records_agree(files):
    table = list(csv.DictReader(io.StringIO((files / "efficiency_table.csv").read_text())))
    records = json.loads((files / "all_results.json").read_text())
    means = {(c["variant"], c["sparsity"]): c["metrics"]["test_accuracy"]["mean"] for c in records["configurations"]}
    assert {(row["method"], float(row["sparsity"])) for row in table} == set(means)
    for row in table:
        mean = means[row["method"], float(row["sparsity"])]
        assert float(row["accuracy_percent"]) == pytest.approx(mean, abs=1e-6)
    assert len(records["runs"]) == len(list(csv.DictReader(io.StringIO((files / "all_runs.csv").read_text()))))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_the_latex_compiles(files, tmp_path):
    table = (files / "efficiency_table.tex").read_text()
    (tmp_path / "t.tex").write_text(latex_page(table))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_report_shows_figures_that_lie_beside_it(files):
    for name, heading in (("report.md", "# Pruning report"), ("report.ko.md", "# 가지치기 보고서")):
        text = (files / name).read_text()
        assert text.startswith(heading)
        shown = [line.rpartition("(")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")]
        assert shown
        assert all((files / picture).is_file() for picture in shown)


def test_a_png_shows_what_its_svg_shows(files):
    pictures = sorted(files.glob("*.png"))
    assert len(pictures) >= 3
    for path in pictures:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        drawing = ElementTree.parse(path.with_suffix(".svg")).getroot()
        assert drawing.tag == f"{SVG}svg"
        size = [float(drawing.get(side)) * 300 / 96 for side in ("width", "height")]
        assert picture.size == pytest.approx(size, abs=2)
        words = " ".join("".join(text.itertext()) for text in drawing.iter(f"{SVG}text"))
        pixels = np.asarray(picture).reshape(-1, 3)
        for method, colour in COLOURS.items():
            assert method in words  # in the legend
            assert (np.abs(pixels - np.array(colour)).max(axis=1) <= 8).any(), (path.name, method)
        assert ("시드 2개" if path.stem.endswith(".ko") else "2 seeds") in words  # where the numbers come from
        assert "Test machine, 2 cores" in words


def test_one_figure_alone(gallery, visit, tmp_path):
    page = visit(accept_downloads=True)
    open_page(page, f"{gallery.url}/report?part=figures", "Report")
    expect(page.get_by_role("img", name="Accuracy against sparsity").first).to_be_visible()
    page.get_by_role("button", name="PNG", exact=True).first.wait_for()
    with page.expect_download() as found:
        page.get_by_role("button", name="PNG", exact=True).first.click()
    found.value.save_as(tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.width > 1000
